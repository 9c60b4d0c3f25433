/** The cosine and sine tables of the decoder and of the vision tower, long enough for the positions in use. */
import type * as tf from '@tensorflow/tfjs';
import type { Gpu } from '../gpu/gpu.ts';
import type { RotaryTable } from '../ops/rotary.ts';
import { mropeAngles, mropeColumns, visionAngles, visionColumns } from '../ops/rotary-table.ts';
import type { ModelArchitecture } from './config.ts';

const FIRST_TEXT_POSITIONS = 512;
const FIRST_VISION_POSITIONS = 64;

export class RotaryTables {
  readonly #gpu: Gpu;
  readonly #architecture: ModelArchitecture;
  #text: RotaryTable;
  #vision: RotaryTable;

  constructor(gpu: Gpu, architecture: ModelArchitecture) {
    this.#gpu = gpu;
    this.#architecture = architecture;
    this.#text = this.#textTable(FIRST_TEXT_POSITIONS);
    this.#vision = this.#visionTable(FIRST_VISION_POSITIONS);
  }

  get text(): RotaryTable {
    return this.#text;
  }

  get vision(): RotaryTable {
    return this.#vision;
  }

  /** Makes the tables cover these positions. A table that grows is a new one: plans that hold the old are void. */
  cover(textPositions: number, visionPositions: number): void {
    if (textPositions > rows(this.#text.cosSin)) {
      this.#free(this.#text);
      this.#text = this.#textTable(nextPowerOfTwo(textPositions));
    }
    if (visionPositions > rows(this.#vision.cosSin)) {
      this.#free(this.#vision);
      this.#vision = this.#visionTable(nextPowerOfTwo(visionPositions));
    }
  }

  dispose(): void {
    this.#free(this.#text);
    this.#free(this.#vision);
  }

  #textTable(positions: number): RotaryTable {
    const { headDim, ropeTheta, mropeSection } = this.#architecture.text;
    return this.#upload(
      mropeAngles(headDim, ropeTheta, positions),
      headDim / 2,
      mropeColumns(headDim, mropeSection),
    );
  }

  #visionTable(positions: number): RotaryTable {
    const { headDim } = this.#architecture.vision;
    return this.#upload(visionAngles(headDim, positions), headDim / 4, visionColumns(headDim));
  }

  #upload(angles: Float32Array, columnsPerPosition: number, columns: Int32Array): RotaryTable {
    const positions = angles.length / (columnsPerPosition * 2);
    return {
      cosSin: this.#gpu.persistent('weights', [positions, columnsPerPosition, 2], angles),
      columns: this.#gpu.persistent('weights', [columns.length / 2, 2], columns),
    };
  }

  #free({ cosSin, columns }: RotaryTable): void {
    this.#gpu.free(cosSin);
    this.#gpu.free(columns);
  }
}

function rows(tensor: tf.Tensor): number {
  return tensor.shape[0];
}

function nextPowerOfTwo(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

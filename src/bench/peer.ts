/**
 * PyTorch with Hugging Face transformers in a child process (bench/peers/transformers_peer.py), which sleeps between
 * the rounds that it is told to run.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { messageOf, ServiceError } from '../util/errors.ts';

const SCRIPT = fileURLToPath(new URL('../../bench/peers/transformers_peer.py', import.meta.url));
/** How much of what the child complained of is passed on. */
const COMPLAINT_LETTERS = 400;

const loadedSchema = z.object({
  versions: z.record(z.string(), z.string()),
  threads: z.number(),
  device: z.string(),
});
const absentSchema = z.object({ absent: z.string() });
const secondsSchema = z.object({ seconds: z.number().positive() });
const stepSchema = z.object({
  samplingSeconds: z.number().positive(),
  referenceSeconds: z.number().positive(),
  updateSeconds: z.number().positive(),
  peakBytes: z.number().nullable(),
});

export interface PeerModel {
  folder: string;
  device: 'cpu' | 'cuda';
  dtype: 'float32' | 'bfloat16';
  /** Random weights instead of the folder's. */
  random: boolean;
  /** Rank of an adapter on the decoder, for `step`; 0 or left out: all weights are trained. */
  loraRank?: number;
}

export interface PeerWork {
  /** Prompts of one length. */
  inputIds: readonly (readonly number[])[];
  /** Patches of the prompts' pictures in order: time, height, width. */
  grids: readonly (readonly number[])[];
  /** Responses to each prompt. */
  responses: number;
  /** Tokens of each response. */
  tokens: number;
}

/** Why there are no numbers of somebody. */
export interface Absent {
  absent: string;
}

/** What the peer computes with. */
export type PeerFacts = z.infer<typeof loadedSchema>;

/** A GRPO step by phase; the most memory of the card, null on a CPU. */
export type PeerStep = z.infer<typeof stepSchema>;

export class Peer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #complaint = '';
  #facts: PeerFacts | undefined;

  private constructor(python: string) {
    this.#child = spawn(python, [SCRIPT]);
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-COMPLAINT_LETTERS);
    });
    const complain = (error: Error) => (this.#complaint += messageOf(error));
    this.#child.on('error', complain);
    // A child that has gone cannot be written to; the missing answer tells of it.
    this.#child.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /**
   * Starts Python and loads a model.
   * @param python the interpreter; undefined for none
   * @returns why not, where there is no such interpreter, package or device
   */
  static async start(python: string | undefined, model: PeerModel): Promise<Peer | Absent> {
    if (python === undefined) return { absent: 'not asked for' };
    const peer = new Peer(python);
    try {
      const { loraRank = 0, ...rest } = model;
      const load = { ...rest, lora_rank: loraRank };
      const answer = await peer.#ask({ load }, z.union([loadedSchema, absentSchema]));
      if (!('absent' in answer)) {
        peer.#facts = answer;
        return peer;
      }
      peer.close();
      return answer;
    } catch (error) {
      peer.close();
      if (!(error instanceof ServiceError)) throw error;
      return { absent: error.message };
    }
  }

  get facts(): PeerFacts {
    return this.#facts!;
  }

  /**
   * Samples at temperature 1 to the last token, whatever ends a response otherwise.
   * @returns seconds on the peer's own clock
   * @throws {ServiceError} when the peer fails
   */
  async generate({ inputIds, ...rest }: PeerWork): Promise<number> {
    const { seconds } = await this.#ask({ generate: { input_ids: inputIds, ...rest } }, secondsSchema);
    return seconds;
  }

  /**
   * Samples, scores with the reference, and updates once.
   * @param recompute keeps only what blocks are given for the backward pass
   * @throws {ServiceError} when the peer fails
   */
  async step({ inputIds, ...rest }: PeerWork, recompute: boolean): Promise<PeerStep> {
    return this.#ask({ step: { input_ids: inputIds, ...rest, recompute } }, stepSchema);
  }

  async #ask<S extends z.ZodType>(request: object, schema: S): Promise<z.output<S>> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#lines.next();
    const answer = done ? undefined : schema.safeParse(JSON.parse(value));
    if (answer?.success) return answer.data;
    throw new ServiceError(answer ? `it answered ${value}` : this.#complaint.trim() || 'it ended');
  }

  close(): void {
    this.#child.stdin.end();
    this.#child.kill();
  }
}

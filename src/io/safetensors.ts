/** Reads single tensors out of safetensors files by their position, and writes such files whole or not at all. */
import { type FileHandle, open } from 'node:fs/promises';
import { CheckpointError, ShapeError, messageOf } from '../util/errors.ts';
import { writeFileAtomic } from './atomic.ts';
import { bf16ToF32, f16ToF32 } from './float16.ts';
import {
  type Dtype,
  DTYPE_BYTES,
  elementCount,
  type Header,
  MAX_HEADER_BYTES,
  parseHeader,
  type TensorInfo,
} from './safetensors-header.ts';

const FIX = 'the file is damaged or only partly there: copy or download it again';

/** Of `chunks`: few enough that a host of any size holds them and their f32 copies, enough to amortise a read. */
const CHUNK_BYTES = 2 ** 24;

type Bytes = Uint8Array<ArrayBuffer>;

/** An open file. Close it with `close()` or `await using`. */
export class SafetensorsFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle, header: Header) {
    this.path = path;
    this.tensors = header.tensors;
    this.metadata = header.metadata;
    this.#file = file;
  }

  /**
   * Opens a file and checks its header; no tensor is read.
   * @throws CheckpointError when the file cannot be read or its header is wrong.
   */
  static async open(path: string): Promise<SafetensorsFile> {
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch (cause) {
      const found = messageOf(cause);
      throw new CheckpointError({ where: path, expected: 'a readable safetensors file', found }, { cause });
    }
    try {
      return new SafetensorsFile(path, file, await readHeader(file, path));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * The place, dtype and shape of a tensor.
   * @throws CheckpointError when the file has no tensor of this name.
   */
  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (info) return info;
    const names = [...this.tensors.keys()];
    const some = names.slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '');
    const found = names.length === 0 ? 'no tensor at all' : `${names.length} others (${some})`;
    throw new CheckpointError({ where: this.path, expected: `a tensor ${name}`, found });
  }

  /**
   * The bytes of a tensor as stored (little endian, row-major), or a part of them.
   * @param start first byte inside the tensor.
   * @param length bytes to read; to the tensor's end unless given.
   */
  async read(name: string, start = 0, length?: number): Promise<Bytes> {
    const info = this.info(name);
    const wanted = length ?? info.byteLength - start;
    if (start < 0 || wanted < 0 || start + wanted > info.byteLength) {
      throw new ShapeError(
        `${name}: bytes ${start} to ${start + wanted} asked for, ${info.byteLength} there`,
      );
    }
    const bytes = new Uint8Array(wanted);
    await this.#fill(name, bytes, start);
    return bytes;
  }

  /**
   * A tensor as f32 values in row-major order; from f32, bf16 or f16.
   * @throws CheckpointError for other dtypes.
   */
  async readF32(name: string): Promise<Float32Array> {
    const toF32 = this.#converter(name);
    return toF32(await this.read(name));
  }

  /**
   * The bytes of a tensor in order, a bounded part at a time, so that a tensor may be larger than the host's
   * memory. A part is valid until the next one is asked for.
   * @param unit bytes that are not parted: a part holds as many as fit CHUNK_BYTES, and at least one
   */
  async *chunks(name: string, unit: number): AsyncGenerator<{ start: number; bytes: Bytes }> {
    const { byteLength } = this.info(name);
    const most = Math.max(1, Math.floor(CHUNK_BYTES / unit)) * unit;
    const buffer = new Uint8Array(Math.min(most, byteLength));
    for (let start = 0; start < byteLength; start += most) {
      const bytes = buffer.subarray(0, byteLength - start);
      await this.#fill(name, bytes, start);
      yield { start, bytes };
    }
  }

  /** As `chunks`, the f32 values of f32, bf16 or f16; `start` and `unit` count values. */
  async *chunksF32(name: string, unit = 1): AsyncGenerator<{ start: number; values: Float32Array }> {
    const toF32 = this.#converter(name);
    const valueBytes = DTYPE_BYTES[this.info(name).dtype];
    for await (const { start, bytes } of this.chunks(name, unit * valueBytes)) {
      yield { start: start / valueBytes, values: toF32(bytes) };
    }
  }

  #converter(name: string): (bytes: Bytes) => Float32Array {
    const { dtype } = this.info(name);
    const halves = ({ buffer, byteLength }: Bytes) => new Uint16Array(buffer, 0, byteLength / 2);
    if (dtype === 'F32') return ({ buffer, byteLength }) => new Float32Array(buffer, 0, byteLength / 4);
    if (dtype === 'BF16') return (bytes) => bf16ToF32(halves(bytes));
    if (dtype === 'F16') return (bytes) => f16ToF32(halves(bytes));
    throw new CheckpointError({
      where: `${this.path}: tensor ${name}`,
      expected: 'F32, BF16 or F16',
      found: dtype,
    });
  }

  async #fill(name: string, target: Uint8Array, start: number): Promise<void> {
    const found = await readFully(this.#file, target, this.info(name).byteOffset + start);
    if (found === target.byteLength) return;
    throw shortRead(`${this.path}: tensor ${name}`, target.byteLength, found);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function readHeader(file: FileHandle, path: string): Promise<Header> {
  const stat = await file.stat();
  if (!stat.isFile())
    throw new CheckpointError({ where: path, expected: 'a safetensors file', found: 'a folder' });
  const start = new Uint8Array(8);
  if ((await readFully(file, start, 0)) < 8) throw shortRead(`${path}: header`, 8, stat.size);
  const length = Number(new DataView(start.buffer).getBigUint64(0, true));
  if (length < 2 || length > MAX_HEADER_BYTES) {
    const expected = `a length of 2 to ${MAX_HEADER_BYTES} bytes in the first eight bytes`;
    throw new CheckpointError({
      where: `${path}: header`,
      expected,
      found: String(length),
      fix: 'this is no safetensors file, or a damaged one',
    });
  }
  if (8 + length > stat.size) throw shortRead(`${path}: header`, length, stat.size - 8);
  const json = new Uint8Array(length);
  const found = await readFully(file, json, 8);
  if (found < length) throw shortRead(`${path}: header`, length, found);
  return parseHeader(json, stat.size, path);
}

/** Reads until the target is full or the file ends; a single read may return less than asked for. */
async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < target.byteLength) {
    // One read moves at most 2 GiB.
    const chunk = Math.min(target.byteLength - done, 2 ** 30);
    const { bytesRead } = await file.read(target, done, chunk, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

function shortRead(where: string, expected: number, found: number): CheckpointError {
  return new CheckpointError({ where, expected: `${expected} bytes`, found: `${found} bytes`, fix: FIX });
}

export interface TensorToWrite {
  name: string;
  dtype: Dtype;
  shape: readonly number[];
  /** The values as stored, or a function that fetches them when their turn comes. */
  data: ArrayBufferView | (() => Promise<ArrayBufferView>);
}

/**
 * Writes a file, atomically. Wider dtypes come first and names are sorted within them, so that every tensor is
 * aligned to its elements and equal content gives equal bytes.
 * @throws ShapeError when data and shape disagree or a name comes twice.
 * @throws ConfigError when the place cannot be written.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<void> {
  const sorted = [...tensors].toSorted(
    (a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (a.name < b.name ? -1 : 1),
  );
  const header = encodeHeader(sorted, metadata, path);
  await writeFileAtomic(path, async (file) => {
    await writeFully(file, header);
    for (const { name, dtype, shape, data } of sorted) {
      const view = typeof data === 'function' ? await data() : data;
      const expected = elementCount(shape) * DTYPE_BYTES[dtype];
      if (view.byteLength !== expected) {
        throw new ShapeError({
          where: `${path}: tensor ${name}`,
          expected: `${expected} bytes for ${dtype} [${shape.join(', ')}]`,
          found: `${view.byteLength} bytes`,
        });
      }
      await writeFully(file, new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    }
  });
}

function encodeHeader(
  sorted: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
  path: string,
): Uint8Array {
  const entries = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) entries.set('__metadata__', metadata);
  let position = 0;
  for (const { name, dtype, shape } of sorted) {
    if (name === '__metadata__' || entries.has(name))
      throw new ShapeError(`${path}: tensor ${name} comes twice`);
    const end = position + elementCount(shape) * DTYPE_BYTES[dtype];
    entries.set(name, { dtype, shape, data_offsets: [position, end] });
    position = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const header = new Uint8Array(8 + padded).fill(0x20, 8);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, 8);
  return header;
}

async function writeFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.byteLength - done, 2 ** 30));
    done += bytesWritten;
  }
}

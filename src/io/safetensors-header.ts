/**
 * The header of a safetensors file: eight bytes of length (little endian), then JSON that gives each tensor a
 * dtype, a shape and its bytes. Checked as strictly as the reference implementation does, because the header
 * decides where bytes are read.
 * @see https://github.com/huggingface/safetensors#format
 */
import { CheckpointError, messageOf } from '../util/errors.ts';

/** Bytes per element of the dtypes that are read and written here. */
export const DTYPE_BYTES = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
} as const;

export type Dtype = keyof typeof DTYPE_BYTES;

export interface TensorInfo {
  name: string;
  dtype: Dtype;
  shape: readonly number[];
  /** First byte, counted from the start of the file. */
  byteOffset: number;
  byteLength: number;
}

export interface Header {
  tensors: ReadonlyMap<string, TensorInfo>;
  metadata: Readonly<Record<string, string>>;
}

/** The reference implementation refuses longer headers too. */
export const MAX_HEADER_BYTES = 100_000_000;

const FIX = 'the file is damaged or only partly there: copy or download it again';

/**
 * Checks and reads a header.
 * @param json the header's bytes, without the eight bytes of length.
 * @param fileSize bytes of the whole file.
 * @throws CheckpointError that names file and tensor.
 */
export function parseHeader(json: Uint8Array, fileSize: number, file: string): Header {
  const parsed = parseJson(json, file);
  const dataStart = 8 + json.byteLength;
  const tensors: TensorInfo[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(parsed)) {
    if (name === '__metadata__') metadata = checkMetadata(entry, file);
    else tensors.push(checkEntry(name, entry, dataStart, file));
  }
  checkLayout(tensors, dataStart, fileSize, file);
  return { tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata };
}

/** Elements in a tensor of this shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function parseJson(json: Uint8Array, file: string): Record<string, unknown> {
  const where = `${file}: header`;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (cause) {
    const found = messageOf(cause);
    throw new CheckpointError({ where, expected: 'JSON in UTF-8', found, fix: FIX }, { cause });
  }
  if (!isObject(value))
    throw new CheckpointError({ where, expected: 'a JSON object', found: typeof value, fix: FIX });
  return value;
}

function checkMetadata(value: unknown, file: string): Record<string, string> {
  const result: Record<string, string> = {};
  const entries = isObject(value) ? Object.entries(value) : [['', undefined] as const];
  for (const [key, text] of entries) {
    if (typeof text !== 'string') {
      throw new CheckpointError({
        where: `${file}: __metadata__`,
        expected: 'an object of texts',
        found: isObject(value) ? `${key}: ${typeof text}` : typeof value,
        fix: FIX,
      });
    }
    result[key] = text;
  }
  return result;
}

function checkEntry(name: string, entry: unknown, dataStart: number, file: string): TensorInfo {
  const refuse = (expected: string, found: unknown, fix = FIX): never => {
    throw new CheckpointError({
      where: `${file}: tensor ${name}`,
      expected,
      found: JSON.stringify(found),
      fix,
    });
  };
  if (!isObject(entry)) return refuse('an object with dtype, shape and data_offsets', entry);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype)) {
    return refuse(
      `a dtype out of ${Object.keys(DTYPE_BYTES).join(', ')}`,
      dtype,
      'convert the file to bf16, f16 or f32',
    );
  }
  if (!isCounts(shape)) return refuse('a shape: a list of whole numbers from 0', shape);
  if (!isCounts(offsets) || offsets.length !== 2) return refuse('data_offsets: two whole numbers', offsets);
  const [start = 0, end = 0] = offsets;
  const byteLength = elementCount(shape) * DTYPE_BYTES[dtype];
  if (!Number.isSafeInteger(byteLength) || end - start !== byteLength) {
    return refuse(
      `${byteLength} bytes for ${dtype} [${shape.join(', ')}]`,
      `${end - start} bytes (${start} to ${end})`,
    );
  }
  return { name, dtype, shape, byteOffset: dataStart + start, byteLength };
}

/** Tensors must fill the file from the header to its end, without overlap and without a hole. */
function checkLayout(
  tensors: readonly TensorInfo[],
  dataStart: number,
  fileSize: number,
  file: string,
): void {
  let position = dataStart;
  const inOrder = tensors.toSorted((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  for (const { name, byteOffset, byteLength } of inOrder) {
    const where = `${file}: tensor ${name}`;
    if (byteOffset !== position) {
      const found = `byte ${byteOffset} (${byteOffset < position ? 'an overlap' : 'a hole before it'})`;
      throw new CheckpointError({
        where,
        expected: `a start at byte ${position} of the file`,
        found,
        fix: FIX,
      });
    }
    position += byteLength;
    if (position > fileSize) {
      const expected = `bytes ${byteOffset} to ${position} of the file`;
      throw new CheckpointError({ where, expected, found: `a file of ${fileSize} bytes`, fix: FIX });
    }
  }
  if (position !== fileSize) {
    const found = `${fileSize} bytes`;
    throw new CheckpointError({
      where: file,
      expected: `${position} bytes, as the header says`,
      found,
      fix: FIX,
    });
  }
}

function isDtype(value: unknown): value is Dtype {
  return typeof value === 'string' && Object.hasOwn(DTYPE_BYTES, value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Writes ONNX models: the part of its protocol buffers that a graph of float tensors needs. */
import { Buffer } from 'node:buffer';

// onnx.proto3 of ONNX 1.12: TensorProto.DataType, and the types of attributes.
const FLOAT = 1;
const INT64 = 7;
const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;
const IR_VERSION = 9;

type Field = Buffer;
export type Attribute = number | { float: number } | readonly number[];

function varint(value: number): Buffer {
  const bytes: number[] = [];
  // Negative numbers are the two's complement of 64 bits.
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}

const number = (field: number, value: number): Field => Buffer.concat([varint(field * 8), varint(value)]);

function bytes(field: number, content: Uint8Array): Field {
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content]);
}

const text = (field: number, content: string): Field => bytes(field, Buffer.from(content));
const message = (field: number, ...fields: Field[]): Field => bytes(field, Buffer.concat(fields));

function float(field: number, value: number): Field {
  const content = Buffer.alloc(4);
  content.writeFloatLE(value);
  return Buffer.concat([varint(field * 8 + 5), content]);
}

function attribute(name: string, value: Attribute): Field {
  if (typeof value === 'number')
    return message(5, text(1, name), number(3, value), number(20, ATTRIBUTE_INT));
  if ('float' in value) return message(5, text(1, name), float(2, value.float), number(20, ATTRIBUTE_FLOAT));
  return message(5, text(1, name), ...value.map((one) => number(8, one)), number(20, ATTRIBUTE_INTS));
}

function valueInfo(field: number, name: string, type: number, dims: readonly (number | string)[]): Field {
  const shape = dims.map((dim) => message(1, typeof dim === 'number' ? number(1, dim) : text(2, dim)));
  return message(field, text(1, name), message(2, message(1, number(1, type), message(2, ...shape))));
}

/** A graph under construction; every method that adds a node returns the name of its output. */
export class OnnxGraph {
  readonly #nodes: Field[] = [];
  readonly #tensors = new Map<string, Field>();

  floats(name: string, dims: readonly number[], data: Uint8Array): string {
    return this.#tensor(name, FLOAT, dims, data);
  }

  scalar(value: number): string {
    const data = Buffer.alloc(4);
    data.writeFloatLE(value);
    return this.#tensor(`float ${value}`, FLOAT, [], data);
  }

  integers(...values: number[]): string {
    const data = new BigInt64Array(values.map(BigInt));
    return this.#tensor(`int64 ${values.join()}`, INT64, [values.length], Buffer.from(data.buffer));
  }

  node(
    kind: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const output = `${kind} ${this.#nodes.length}`;
    this.#nodes.push(
      message(
        1,
        ...inputs.map((input) => text(1, input)),
        text(2, output),
        text(4, kind),
        ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      ),
    );
    return output;
  }

  /** The finished model: int64 inputs of [batch, length], one float output. */
  model(
    inputs: readonly string[],
    output: { name: string; from: string; dims: readonly (number | string)[] },
  ): Buffer {
    const last = message(1, text(1, output.from), text(2, output.name), text(4, 'Identity'));
    const graph = message(
      7,
      ...this.#nodes,
      last,
      text(2, 'graph'),
      ...this.#tensors.values(),
      ...inputs.map((name) => valueInfo(11, name, INT64, ['batch', 'length'])),
      valueInfo(12, output.name, FLOAT, output.dims),
    );
    const operators = message(8, text(1, ''), number(2, 17));
    return Buffer.concat([number(1, IR_VERSION), graph, operators]);
  }

  #tensor(name: string, type: number, dims: readonly number[], data: Uint8Array): string {
    const fields = [...dims.map((dim) => number(1, dim)), number(2, type), text(8, name), bytes(9, data)];
    if (!this.#tensors.has(name)) this.#tensors.set(name, message(5, ...fields));
    return name;
  }
}

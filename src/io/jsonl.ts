/** JSON Lines: one JSON value a line, split at "\n" and nowhere else, in bounded memory. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { DataError, messageOf } from '../util/errors.ts';

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = '\uFEFF';
const MAX_EXCERPT_CHARS = 60;
/** A line beyond this is no row but a file of another kind. */
const MAX_LINE_BYTES = 256 * 2 ** 20;

export interface JsonLine {
  /** From 1. */
  line: number;
  value: unknown;
}

/**
 * Reads the values of a file in their order. Blank lines are passed over and counted.
 * @throws DataError with file and line for a file that cannot be read, text that is not UTF-8 or not JSON.
 */
export async function* readJsonl(path: string): AsyncGenerator<JsonLine> {
  let line = 0;
  for await (const bytes of lines(path)) {
    line++;
    const value = parseLine(bytes, path, line);
    if (value !== undefined) yield { line, value };
  }
}

/** All values of a file; for files that fit in memory. */
export async function readJsonlAll(path: string): Promise<JsonLine[]> {
  const all: JsonLine[] = [];
  for await (const entry of readJsonl(path)) all.push(entry);
  return all;
}

function parseLine(bytes: Buffer, path: string, line: number): unknown {
  const where = `${path}:${line}`;
  if (!isUtf8(bytes)) {
    throw new DataError({
      where,
      expected: 'text in UTF-8',
      found: 'other bytes',
      fix: 'save the file as UTF-8',
    });
  }
  let text = bytes.toString('utf8');
  if (line === 1 && text.startsWith(BYTE_ORDER_MARK)) text = text.slice(1);
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = messageOf(cause);
    const excerpt = text.length > MAX_EXCERPT_CHARS ? `${text.slice(0, MAX_EXCERPT_CHARS)}…` : text;
    throw new DataError(
      {
        where,
        expected: 'one JSON value on the line',
        found: `${excerpt.trimEnd()} (${reason})`,
        fix: 'write one JSON object per line; a file that holds one JSON list has to be converted',
      },
      { cause },
    );
  }
}

async function* lines(path: string): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of createReadStream(path)) {
      const bytes: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
        yield Buffer.concat([...parts, bytes.subarray(start, end)]);
        parts = [];
        length = 0;
        start = end + 1;
      }
      parts.push(bytes.subarray(start));
      length += bytes.length - start;
      if (length > MAX_LINE_BYTES) throw new Error(`a line of more than ${MAX_LINE_BYTES} bytes`);
    }
  } catch (cause) {
    const found = messageOf(cause);
    throw new DataError(
      {
        where: path,
        expected: 'a readable JSONL file',
        found,
        fix: 'check the path; it counts from the current folder',
      },
      { cause },
    );
  }
  if (length > 0) yield Buffer.concat(parts);
}

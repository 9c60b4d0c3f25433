/** Files of rows in and out: one result per row, in the order of the rows, and every row accounted for. */
import { basename, extname } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../io/atomic.ts';
import { readJsonl } from '../io/jsonl.ts';
import { DataError } from '../util/errors.ts';

/** What is said about a row beside its own keys. */
export interface RowPlace {
  /** The row's own `id`, else the file's stem and the line, such as "test:12". */
  id: string;
  /** File and line, for messages. */
  where: string;
}

const idSchema = z.looseObject({ id: z.union([z.string(), z.number()]).transform(String).optional() });

/**
 * Reads the rows of a JSONL file by `schema`.
 * @throws DataError with file and line for the first row that does not fit, and when there is no row at all
 */
export async function* readRows<S extends z.ZodType>(
  file: string,
  schema: S,
): AsyncGenerator<RowPlace & { row: z.output<S> }> {
  let empty = true;
  for await (const { line, value } of readJsonl(file)) {
    empty = false;
    const where = `${file}:${line}`;
    const row = check(schema, value, where);
    const { id } = check(idSchema, value, where);
    yield { id: id ?? `${basename(file, extname(file))}:${line}`, where, row };
  }
  if (empty) {
    throw new DataError({
      where: file,
      expected: 'at least one row',
      found: 'no row',
      fix: 'check --data',
    });
  }
}

function check<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) =>
    path.length > 0 ? `"${path.join('.')}": ${message}` : message,
  );
  const keys = typeof value === 'object' && value !== null ? Object.keys(value).join(', ') : typeof value;
  throw new DataError({
    where,
    expected: problems.join('; '),
    found: `a row with ${keys || 'no keys'}`,
    fix: 'correct the row, or take it out',
  });
}

/**
 * Writes one JSON line per result; the file takes its name when all are written.
 * @returns how many
 * @throws ConfigError when the place cannot be written, before the first result is asked for
 */
export async function writeRows(file: string, results: AsyncIterable<object>): Promise<number> {
  let count = 0;
  await writeFileAtomic(file, async (handle) => {
    for await (const result of results) {
      await handle.appendFile(`${JSON.stringify(result)}\n`);
      count += 1;
    }
  });
  return count;
}

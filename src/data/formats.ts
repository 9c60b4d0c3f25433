/**
 * From WeThink JSONL to rows. A row has `problem, answer, category, abilities, refined_cot, image_path, reward`;
 * the names of three of them can be configured. Every row is either taken or named in a problem.
 */
import { stat } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, relative, resolve } from 'node:path';
import type { DataConfig } from '../config/schema.ts';
import { readJsonl } from '../io/jsonl.ts';
import { DataError } from '../util/errors.ts';
import type { Row } from './row.ts';

export type FormatOptions = Pick<
  DataConfig,
  'prompt_key' | 'answer_key' | 'image_key' | 'image_dir' | 'max_bad_fraction'
>;

interface RowProblem {
  file: string;
  line: number;
  message: string;
}

export interface LoadedRows {
  rows: Row[];
  /** Rows left out, which max_bad_fraction allowed. */
  skipped: RowProblem[];
}

const MAX_LISTED_PROBLEMS = 8;
const STATS_AT_ONCE = 32;

/**
 * Reads dataset files, and looks up front whether every image is there.
 * @param files JSONL files; relative image paths count from `image_dir`, or from each file's own folder.
 * @throws DataError with file, line and what to do, for unreadable files, no rows at all, and more bad rows than
 *   `max_bad_fraction` of all rows.
 */
export async function loadRows(files: readonly string[], options: FormatOptions): Promise<LoadedRows> {
  const rows: Row[] = [];
  const problems: RowProblem[] = [];
  const prefixes = rowPrefixes(files);
  for (const [index, file] of files.entries()) {
    const imageDir = resolve(options.image_dir ?? dirname(file));
    for await (const { line, value } of readJsonl(file)) {
      const result = readRow(value, options, imageDir);
      if (typeof result === 'string') problems.push({ file, line, message: result });
      else rows.push({ ...result, id: `${prefixes[index]}:${line}`, file, line });
    }
  }
  const found = await withImages(rows, problems);
  if (rows.length + problems.length === 0) {
    const fix = 'check data.train_files and data.val_files';
    throw new DataError({ where: files.join(', '), expected: 'at least one row', found: 'no row', fix });
  }
  const total = found.length + problems.length;
  if (problems.length > options.max_bad_fraction * total || found.length === 0) {
    throw badRows(problems, total, options.max_bad_fraction);
  }
  return { rows: found, skipped: problems };
}

type RowContent = Omit<Row, 'id' | 'file' | 'line'>;

/** The row's content, or what is wrong with it. */
function readRow(value: unknown, options: FormatOptions, imageDir: string): RowContent | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return `expected a JSON object, found ${kind(value)}`;
  }
  const entries = new Map<string, unknown>(Object.entries(value));
  const problems: string[] = [];
  const text = (key: string, setting?: string): string => {
    const content = entries.get(key);
    if ((content === undefined || content === null) && setting === undefined) return '';
    if (content === undefined) {
      const present = [...entries.keys()].join(', ');
      problems.push(
        `key "${key}" is missing (the row has ${present || 'no keys'}); add it, or set ${setting}`,
      );
    } else if (typeof content !== 'string') {
      problems.push(`"${key}": expected a text, found ${kind(content)}; put it in quotes`);
    } else if (content.trim() === '' && setting !== undefined) {
      problems.push(`"${key}": expected a text, found an empty one`);
    } else return content;
    return '';
  };
  const row: RowContent = {
    problem: text(options.prompt_key, 'data.prompt_key'),
    answer: text(options.answer_key, 'data.answer_key'),
    category: text('category'),
    abilities: [],
    refinedCot: text('refined_cot'),
    images: [],
    reward: text('reward'),
    columns: Object.fromEntries(entries),
  };
  const abilities = readAbilities(entries.get('abilities'));
  if (typeof abilities === 'string') problems.push(abilities);
  const images = readImages(entries.get(options.image_key), options.image_key, imageDir);
  if (typeof images === 'string') problems.push(images);
  if (typeof abilities === 'string' || typeof images === 'string' || problems.length > 0)
    return problems.join('; ');
  return { ...row, abilities, images };
}

function readAbilities(value: unknown): string[] | string {
  if (value === undefined || value === null) return [];
  if (typeof value === 'string')
    return value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  if (isTexts(value)) return value;
  return `"abilities": expected a text or a list of texts, found ${kind(value)}`;
}

/**
 * Absolute image paths, or what is wrong with them; a path that leads out of the folder is.
 * @param value a path, a list of paths, or "" or null for none
 * @param key the column, for the message
 */
export function readImages(value: unknown, key: string, imageDir: string): string[] | string {
  if (value === undefined) {
    return `key "${key}" is missing; write "" for a row without an image, or set data.image_key`;
  }
  if (value === null || value === '') return [];
  const paths = typeof value === 'string' ? [value] : value;
  if (!isTexts(paths)) return `"${key}": expected a path or a list of paths, found ${kind(value)}`;
  const images: string[] = [];
  for (const path of paths) {
    if (path === '' || path.includes('\0')) return `"${key}": expected a path, found ${JSON.stringify(path)}`;
    const image = resolve(imageDir, path);
    const inside = relative(imageDir, image);
    if (inside === '' || inside.split(/[\\/]/)[0] === '..' || isAbsolute(inside)) {
      return `"${key}": ${path} is outside the image folder ${imageDir}; set data.image_dir to a folder that holds it`;
    }
    images.push(image);
  }
  return images;
}

/** The rows whose images are all there; the others are added to the problems. */
async function withImages(rows: readonly Row[], problems: RowProblem[]): Promise<Row[]> {
  const paths = [...new Set(rows.flatMap((row) => row.images))];
  const missing = new Set<string>();
  for (let start = 0; start < paths.length; start += STATS_AT_ONCE) {
    const batch = paths.slice(start, start + STATS_AT_ONCE);
    const present = await Promise.all(batch.map(isFile));
    for (const [i, path] of batch.entries()) if (!present[i]) missing.add(path);
  }
  return rows.filter(({ images, file, line }) => {
    const lost = images.find((path) => missing.has(path));
    if (lost === undefined) return true;
    problems.push({ file, line, message: `image ${lost} is missing; check the path and data.image_dir` });
    return false;
  });
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** A prefix per file for row ids: its stem, or its whole path without ending where two stems are equal. */
function rowPrefixes(files: readonly string[]): string[] {
  const stem = (file: string): string => basename(file, extname(file));
  const twice = files.find((file, i) => files.findIndex((other) => resolve(other) === resolve(file)) !== i);
  if (twice !== undefined) {
    throw new DataError({
      where: twice,
      expected: 'every dataset file once',
      found: 'the same file listed twice',
    });
  }
  return files.map((file) =>
    files.filter((other) => stem(other) === stem(file)).length === 1
      ? stem(file)
      : file.slice(0, file.length - extname(file).length),
  );
}

function badRows(problems: readonly RowProblem[], total: number, allowed: number): DataError {
  const inOrder = problems.toSorted((a, b) => (a.file === b.file ? a.line - b.line : 0));
  const listed = inOrder
    .slice(0, MAX_LISTED_PROBLEMS)
    .map(({ file, line, message }) => `  ${file}:${line}: ${message}`);
  const rest = problems.length - listed.length;
  return new DataError(
    [
      `${problems.length} of ${total} rows cannot be used (data.max_bad_fraction allows ${allowed}):`,
      ...listed,
      ...(rest > 0 ? [`  and ${rest} more`] : []),
      '  fix: correct these rows, or raise data.max_bad_fraction to go on without them',
    ].join('\n'),
  );
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function kind(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

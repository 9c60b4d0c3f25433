import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FormatOptions, loadRows } from '../../src/data/formats.ts';
import { evenSubset, Sampler, stepsInEpochs } from '../../src/data/sampler.ts';
import { DataError } from '../../src/util/errors.ts';

const OPTIONS: FormatOptions = {
  prompt_key: 'problem',
  answer_key: 'answer',
  image_key: 'image_path',
  image_dir: null,
  max_bad_fraction: 0,
};

const GOOD = {
  problem: 'How many?',
  answer: '3',
  category: 'count',
  abilities: 'counting, spatial reasoning',
  refined_cot: 'one two three',
  image_path: 'images/a.png',
  reward: 'rule',
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wethink-data-'));
  await mkdir(join(folder, 'images'));
  for (const name of ['a.png', 'b.png']) await writeFile(join(folder, 'images', name), '');
});
afterEach(() => rm(folder, { recursive: true }));

async function write(name: string, rows: readonly unknown[]): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}

describe('loadRows', () => {
  it('reads a WeThink row', async () => {
    const file = await write('train.jsonl', [GOOD]);
    expect(await loadRows([file], OPTIONS)).toEqual({
      rows: [
        {
          id: 'train:1',
          problem: 'How many?',
          answer: '3',
          category: 'count',
          abilities: ['counting', 'spatial reasoning'],
          refinedCot: 'one two three',
          images: [join(folder, 'images', 'a.png')],
          reward: 'rule',
          columns: GOOD,
          file,
          line: 1,
        },
      ],
      skipped: [],
    });
  });

  it.each([
    { image_path: '', count: 0 },
    { image_path: null, count: 0 },
    { image_path: [], count: 0 },
    { image_path: ['images/b.png', 'images/a.png', 'images/b.png'], count: 3 },
    { image_path: './images/../images/a.png', count: 1 },
  ])('takes image_path $image_path', async ({ image_path, count }) => {
    const file = await write('t.jsonl', [{ ...GOOD, image_path }]);
    expect((await loadRows([file], OPTIONS)).rows[0]?.images).toHaveLength(count);
  });

  it('takes absolute paths inside image_dir, other key names, and rows without the optional keys', async () => {
    const file = await write('t.jsonl', [
      { question: 'q', gold: 'g', image: join(folder, 'images', 'a.png') },
    ]);
    const options = {
      ...OPTIONS,
      prompt_key: 'question',
      answer_key: 'gold',
      image_key: 'image',
      image_dir: folder,
    };
    const { rows } = await loadRows([file], options);
    expect(rows[0]).toMatchObject({
      problem: 'q',
      answer: 'g',
      category: '',
      abilities: [],
      refinedCot: '',
      reward: '',
    });
  });

  it('gives rows of equally named files different ids', async () => {
    await mkdir(join(folder, 'other'));
    const row = { ...GOOD, image_path: '' };
    const files = [await write('train.jsonl', [row, row]), await write('other/train.jsonl', [row])];
    const { rows } = await loadRows(files, OPTIONS);
    expect(rows.map((r) => r.id)).toEqual([
      join(folder, 'train:1'),
      join(folder, 'train:2'),
      join(folder, 'other', 'train:1'),
    ]);
    await expect(loadRows([files[0]!, files[0]!], OPTIONS)).rejects.toThrow(/same file listed twice/);
  });

  it.each<[unknown, RegExp]>([
    [
      { ...GOOD, problem: undefined },
      /t\.jsonl:2: key "problem" is missing \(the row has .*set data\.prompt_key/,
    ],
    [{ ...GOOD, answer: undefined }, /t\.jsonl:2: key "answer" is missing .*set data\.answer_key/],
    [
      { ...GOOD, image_path: undefined },
      /t\.jsonl:2: key "image_path" is missing; write "" .*data\.image_key/,
    ],
    [{ ...GOOD, problem: 5 }, /"problem": expected a text, found a number/],
    [{ ...GOOD, answer: 5 }, /"answer": expected a text, found a number; put it in quotes/],
    [{ ...GOOD, answer: null }, /"answer": expected a text, found null/],
    [{ ...GOOD, answer: ' \n' }, /"answer": expected a text, found an empty one/],
    [{ ...GOOD, category: ['a'] }, /"category": expected a text, found a list/],
    [{ ...GOOD, abilities: 7 }, /"abilities": expected a text or a list of texts, found a number/],
    [{ ...GOOD, image_path: 5 }, /"image_path": expected a path or a list of paths, found a number/],
    [{ ...GOOD, image_path: ['images/a.png', 5] }, /expected a path or a list of paths, found a list/],
    [{ ...GOOD, image_path: [''] }, /"image_path": expected a path, found ""/],
    [{ ...GOOD, image_path: 'images/a.png\0.txt' }, /"image_path": expected a path, found/],
    [{ ...GOOD, image_path: '../secret.png' }, /\.\.\/secret\.png is outside the image folder/],
    [{ ...GOOD, image_path: 'images/../../secret.png' }, /outside the image folder/],
    [{ ...GOOD, image_path: '/etc/passwd' }, /\/etc\/passwd is outside the image folder .*data\.image_dir/],
    [{ ...GOOD, image_path: '.' }, /outside the image folder/],
    [
      { ...GOOD, image_path: 'images/none.png' },
      /image .*none\.png is missing; check the path and data\.image_dir/,
    ],
    [{ ...GOOD, image_path: 'images' }, /image .*images is missing/],
    [[GOOD], /t\.jsonl:2: expected a JSON object, found a list/],
    ['text', /expected a JSON object, found a string/],
    [{}, /key "problem" is missing \(the row has no keys\).*key "answer" is missing/],
  ])('refuses %j', async (bad, message) => {
    const file = await write('t.jsonl', [GOOD, bad]);
    await expect(loadRows([file], OPTIONS)).rejects.toThrow(DataError);
    await expect(loadRows([file], OPTIONS)).rejects.toThrow(message);
  });

  it('lists problems of both kinds in file order, and no more than one screen of them', async () => {
    const lost = { ...GOOD, image_path: 'images/none.png' };
    const file = await write('t.jsonl', [
      lost,
      GOOD,
      { ...GOOD, answer: 1 },
      ...Array.from({ length: 20 }, () => lost),
    ]);
    const error: unknown = await loadRows([file], OPTIONS).catch((reason: unknown) => reason);
    const lines = String(error).split('\n');
    expect(lines[0]).toMatch(/22 of 23 rows cannot be used \(data\.max_bad_fraction allows 0\)/);
    expect(lines[1]).toMatch(/t\.jsonl:1: image/);
    expect(lines[2]).toMatch(/t\.jsonl:3: "answer"/);
    expect(lines[9]).toMatch(/and 14 more/);
    expect(lines).toHaveLength(11);
  });

  it('goes on without bad rows up to the allowed fraction, and accounts for each', async () => {
    const file = await write('t.jsonl', [GOOD, GOOD, GOOD, { ...GOOD, answer: 1 }]);
    const { rows, skipped } = await loadRows([file], { ...OPTIONS, max_bad_fraction: 0.25 });
    expect(rows.map((row) => row.line)).toEqual([1, 2, 3]);
    expect(skipped).toEqual([{ file, line: 4, message: expect.stringContaining('"answer"') }]);
    await expect(loadRows([file], { ...OPTIONS, max_bad_fraction: 0.24 })).rejects.toThrow(/1 of 4 rows/);
    const hopeless = await write('u.jsonl', [{ ...GOOD, answer: 1 }]);
    await expect(loadRows([hopeless], { ...OPTIONS, max_bad_fraction: 1 })).rejects.toThrow(/1 of 1 rows/);
  });

  it('refuses an empty dataset and a missing file', async () => {
    const file = await write('empty.jsonl', []);
    await expect(loadRows([file], OPTIONS)).rejects.toThrow(/empty\.jsonl\n.*at least one row\n.*no row/);
    await expect(loadRows([join(folder, 'none.jsonl')], OPTIONS)).rejects.toThrow(/none\.jsonl[^]*ENOENT/);
  });
});

describe('Sampler', () => {
  const options = { rowCount: 10, shuffle: true, seed: 3 };

  it('gives every row once per epoch, across batches that do not divide it', () => {
    const sampler = new Sampler(options);
    const given = Array.from({ length: 10 }, () => sampler.nextBatch(3)).flat();
    const epochs = [given.slice(0, 10), given.slice(10, 20), given.slice(20, 30)];
    for (const epoch of epochs)
      expect(epoch.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(epochs[1]).not.toEqual(epochs[2]);
    expect(sampler.state).toEqual({ epoch: 3, index: 0 });
  });

  it('goes on from any state exactly as if it had not stopped', () => {
    const whole = new Sampler(options);
    const batches = Array.from({ length: 9 }, () => ({ state: whole.state, rows: whole.nextBatch(4) }));
    for (const { state, rows } of batches)
      expect(new Sampler({ ...options, state }).nextBatch(4)).toEqual(rows);
  });

  it('keeps the order of the file without shuffling, and fills batches larger than the dataset', () => {
    const sampler = new Sampler({ rowCount: 3, shuffle: false, seed: 1 });
    expect(sampler.nextBatch(7)).toEqual([0, 1, 2, 0, 1, 2, 0]);
    expect(sampler.state).toEqual({ epoch: 2, index: 1 });
  });

  it('depends on the seed', () => {
    const order = (seed: number): number[] => new Sampler({ ...options, seed }).nextBatch(10);
    expect(order(4)).not.toEqual(order(3));
    expect(order(3)).toEqual(order(3));
  });

  it('refuses an empty dataset and a state of another one', () => {
    expect(() => new Sampler({ ...options, rowCount: 0 })).toThrow(/at least 1/);
    expect(() => new Sampler({ ...options, state: { epoch: 0, index: 10 } })).toThrow(
      /has the dataset changed/,
    );
    expect(() => new Sampler({ ...options, state: { epoch: -1, index: 0 } })).toThrow(RangeError);
    expect(() => new Sampler({ ...options, state: { epoch: 0, index: 0.5 } })).toThrow(RangeError);
  });
});

describe('counting', () => {
  it('rounds steps up, so that no row is left out', () => {
    expect(stepsInEpochs(10, 4, 1)).toBe(3);
    expect(stepsInEpochs(10, 4, 2)).toBe(5);
    expect(stepsInEpochs(8, 4, 1)).toBe(2);
  });

  it('spreads a subset over the dataset', () => {
    expect(evenSubset(10, 4)).toEqual([0, 2, 5, 7]);
    expect(evenSubset(3, null)).toEqual([0, 1, 2]);
    expect(evenSubset(3, 9)).toEqual([0, 1, 2]);
  });
});

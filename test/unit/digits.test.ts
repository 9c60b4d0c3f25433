import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DESCRIPTIONS, drawQuestion, type DigitQuestion } from '../../scripts/digit-questions.ts';
import { DIGIT_SIZE, loadDigits, makeDigits, splitDigits } from '../../scripts/make-digits.ts';
import { parseConfig } from '../../src/config/load.ts';
import { loadRows } from '../../src/data/formats.ts';
import type { Row } from '../../src/data/row.ts';
import { HybridReward } from '../../src/reward/hybrid.ts';
import { RandomStream } from '../../src/util/random.ts';

interface DigitRow {
  problem: string;
  answer: string;
  category: string;
  refined_cot: string;
  image_path: string;
  reward: string;
}

const SEED = 1;
const ROWS = { heldout: 512, sft: 150, rl: 150 };
// A guess that ignores the picture must stay below this share, or reward would come without looking.
const CONSTANT_GUESS_LIMIT = 0.2;
const WORDS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
const rewardModel = fileURLToPath(new URL('../../checkpoints/reward-mini', import.meta.url));

describe('digit questions', () => {
  const questions = Array.from({ length: 5000 }, (_, row) => drawQuestion(new RandomStream(7, 'test', row)));

  it('have answers that follow from the digits and the words', () => {
    for (const question of questions) {
      expect(question).toHaveProperty('answer', solve(question.problem, question.digits));
      expect(question.reasoning).toBe(reason(question));
    }
  });

  it('cannot be answered by a constant', () => {
    const counts = new Map<string, number>();
    for (const { answer } of questions) counts.set(answer, (counts.get(answer) ?? 0) + 1);
    expect(Math.max(...counts.values()) / questions.length).toBeLessThan(CONSTANT_GUESS_LIMIT);
    expect(counts.size).toBe(12 + 90); // 0 to 9, A, B, and two different digits in words
  });

  it('stay short', () => {
    for (const { problem } of questions) {
      expect(problem.split(' ').length).toBeLessThanOrEqual(12);
    }
  });
});

describe('digit files', () => {
  let folder: string;
  const rows: Record<string, DigitRow[]> = {};

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'digits-'));
    await makeDigits(folder, { seed: SEED, rows: ROWS });
    for (const split of Object.keys(ROWS)) rows[split] = await readRows(path.join(folder, `${split}.jsonl`));
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('hold the asked number of rows, each with its picture', async () => {
    for (const [split, count] of Object.entries(ROWS)) {
      const made = rows[split] ?? [];
      expect(made.length).toBe(count);
      for (const row of made) {
        const { width, height } = await sharp(path.join(folder, row.image_path)).metadata();
        expect(height).toBe(DIGIT_SIZE);
        expect([2 * DIGIT_SIZE, 3 * DIGIT_SIZE]).toContain(width);
        expect(row.problem.endsWith('\n<image>')).toBe(true);
      }
    }
  });

  it('show the digits that the reasoning names', async () => {
    const labels = new Map(
      loadDigits().flatMap((images, digit) => images.map((image) => [hash(image), digit] as const)),
    );
    for (const row of rows['heldout'] ?? []) {
      const tiles = await cutDigits(path.join(folder, row.image_path));
      const shown = tiles.map((tile) => labels.get(tile) ?? Number.NaN);
      const counted =
        row.category === 'count' ? shown.filter((digit) => isCounted(row.problem, digit)) : shown;
      expect(row.refined_cot === 'none' ? [] : digitsOf(row)).toEqual(counted);
      expect(solve(row.problem.replace('\n<image>', ''), shown)).toBe(row.answer);
    }
  });

  it('never show one digit image in two splits', async () => {
    const pools = splitDigits(loadDigits(), SEED);
    const sizes = (digits: readonly unknown[][]): number[] => digits.map((images) => images.length);
    expect(sizes(pools.heldout)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(sizes(pools.sft)).toEqual(Array.from({ length: 10 }, () => 40));
    const owner = new Map<string, string>();
    for (const [split, digits] of Object.entries(pools)) {
      for (const image of digits.flat()) {
        expect(owner.has(hash(image))).toBe(false);
        owner.set(hash(image), split);
      }
    }
    expect(owner.size).toBe(10_000);
    for (const [split, made] of Object.entries(rows)) {
      for (const row of made) {
        const tiles = await cutDigits(path.join(folder, row.image_path));
        expect(new Set(tiles.map((tile) => owner.get(tile)))).toEqual(new Set([split]));
      }
    }
  });

  it('teach to describe in several ways, of which the gold answers have one', () => {
    const descriptions = (split: string): string[] =>
      (rows[split] ?? [])
        .filter(({ category }) => category === 'describe')
        .map(({ answer, problem, refined_cot: reasoning }) => {
          // A row without reasoning does not name its digits.
          if (reasoning === '') return 'direct';
          const [left, right] = reasoning.split(',').map(Number) as [number, number];
          const place = DESCRIPTIONS.findIndex((describe) => describe(left, right) === answer);
          return place === -1 ? problem : String(place);
        });
    expect(new Set(descriptions('heldout'))).toEqual(new Set(['0']));
    expect(new Set(descriptions('rl'))).toEqual(new Set(['0']));
    const taught = new Set(descriptions('sft'));
    taught.delete('direct');
    expect([...taught].every((place) => /^\d$/.test(place))).toBe(true);
    expect(taught.size).toBeGreaterThan(DESCRIPTIONS.length / 2);
  });

  it('hold held-out rows that no constant answer solves', () => {
    const answers = (rows['heldout'] ?? []).map((row) => row.answer);
    const best = Math.max(...[...new Set(answers)].map((guess) => answers.filter((a) => a === guess).length));
    expect(best / answers.length).toBeLessThan(CONSTANT_GUESS_LIMIT);
  });

  it('are paid for right answers in the right form, and for nothing else', async () => {
    const config = parseConfig(
      `{model: {path: m}, data: {train_files: t}, reward: {model: {path: ${rewardModel}, threshold: 0.5}}}`,
      'test.yaml',
    );
    const { rows: made, skipped } = await loadRows([path.join(folder, 'heldout.jsonl')], config.data);
    expect(skipped).toEqual([]);
    const reward = await HybridReward.open(config.reward, config.data.max_response_length);
    await reward.checkRows(made);
    const mean = async (respond: (row: Row) => string): Promise<number> => {
      const scores = await reward.score(
        made.map((row) => ({ row, response: respond(row), responseTokens: null })),
      );
      return scores.reduce((sum, score) => sum + score.reward!, 0) / made.length;
    };
    const { accuracy_weight: accuracy, format_weight: format } = config.reward;
    const inForm = (row: Row): string => `<think>${row.refinedCot}</think><answer>${row.answer}</answer>`;
    expect(await mean(inForm)).toBeCloseTo(1, 10);
    expect(await mean((row) => `<answer>${row.answer}</answer>`)).toBeCloseTo(accuracy, 10);
    expect(await mean((row) => row.answer)).toBe(0);
    expect(await mean((row) => `<think>${row.answer}</think>`)).toBe(0);
    const answers = Map.groupBy(made, (row) => row.answer);
    const guesses = [...answers.keys()].filter((answer) => answers.get(answer)!.length > made.length / 100);
    expect(guesses.length).toBeGreaterThan(9);
    const guessed = await Promise.all(
      guesses.map((guess) => mean(() => `<think>0</think><answer>${guess}</answer>`)),
    );
    expect(Math.max(...guessed)).toBeLessThan(format + accuracy * CONSTANT_GUESS_LIMIT);
    // All answers at once are no answer.
    const every = `<think>0</think><answer>${[...answers.keys()].join(' ')}</answer>`;
    expect(await mean(() => every)).toBeCloseTo(format, 10);
    await reward.close();
  }, 30_000);

  it('depend on the seed alone', async () => {
    const few = { heldout: 20, sft: 0, rl: 0 };
    const again = path.join(folder, 'again');
    const other = path.join(folder, 'other');
    await makeDigits(again, { seed: SEED, rows: few });
    await makeDigits(other, { seed: SEED + 1, rows: few });
    const first = rows['heldout']?.slice(0, 20);
    expect(await readRows(path.join(again, 'heldout.jsonl'))).toEqual(first);
    expect(await readRows(path.join(other, 'heldout.jsonl'))).not.toEqual(first);
    const picture = await readFile(path.join(folder, 'images/heldout/00001.png'));
    expect(picture.equals(await readFile(path.join(again, 'images/heldout/00001.png')))).toBe(true);
  });

  it('refuse a number of rows that is none', async () => {
    await expect(makeDigits(folder, { rows: { rl: Number.NaN } })).rejects.toThrow(
      /rows\.rl[^]*whole number/,
    );
    await expect(makeDigits(folder, { seed: 1.5 })).rejects.toThrow(/seed/);
  });
});

/** The answer worked out from the question's words, independently of how the question was made. */
function solve(problem: string, digits: readonly number[]): string {
  const [left = Number.NaN, right = Number.NaN] = digits;
  if (/left to right/.test(problem)) return `${WORDS[left]} and ${WORDS[right]}`;
  if (/sum|total|add|together/i.test(problem)) return String(digits.reduce((a, b) => a + b, 0));
  if (/largest|biggest/.test(problem)) return String(Math.max(...digits));
  if (problem === 'Which digit is larger? (A) left (B) right') return left > right ? 'A' : 'B';
  if (problem === 'Which digit is smaller? (A) left (B) right') return left < right ? 'A' : 'B';
  return String(digits.filter((digit) => isCounted(problem, digit)).length);
}

function isCounted(problem: string, digit: number): boolean {
  if (problem.includes('even')) return digit % 2 === 0;
  if (problem.includes('odd')) return digit % 2 === 1;
  if (problem.includes('greater than 5')) return digit > 5;
  throw new Error(`a question of no known kind: ${problem}`);
}

function reason({ kind, problem, digits }: DigitQuestion): string {
  const [left = Number.NaN, right = Number.NaN] = digits;
  if (kind === 'sum') return `${left}+${right}`;
  if (kind === 'largest' || kind === 'describe') return digits.join(',');
  if (kind === 'choice') return left > right ? `${left}>${right}` : `${left}<${right}`;
  return digits.filter((digit) => isCounted(problem, digit)).join('&') || 'none';
}

/** The digits that a row's reasoning names in their order; a count names only some of them. */
function digitsOf(row: DigitRow): number[] {
  return row.refined_cot.split(/[+,<>&]/).map(Number);
}

async function readRows(file: string): Promise<DigitRow[]> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  return lines.map((line): DigitRow => JSON.parse(line));
}

/** The content hash of each digit in a picture. */
async function cutDigits(file: string): Promise<string[]> {
  const { data, info } = await sharp(file).extractChannel(0).raw().toBuffer({ resolveWithObject: true });
  const tiles: string[] = [];
  for (let left = 0; left < info.width; left += DIGIT_SIZE) {
    const tile = Buffer.alloc(DIGIT_SIZE * DIGIT_SIZE);
    for (let y = 0; y < DIGIT_SIZE; y++) {
      data.copy(tile, y * DIGIT_SIZE, y * info.width + left, y * info.width + left + DIGIT_SIZE);
    }
    tiles.push(hash(tile));
  }
  return tiles;
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

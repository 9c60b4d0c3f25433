/**
 * Questions about pictures of handwritten digits: the words, the short reasoning and the answer of one row.
 * Pure functions of the numbers drawn; scripts/make-digits.ts adds the pictures and writes the files.
 *
 * The reasoning is written so that the answer follows from it alone: `3+5` for a sum, `3,5` for the largest,
 * the digits that count (`2&8`), `3<5` for a choice between left and right. A tiny model learns the step from
 * reasoning to answer early, and its reward then measures how well it reads the digits.
 *
 * A description is the free-form kind: it can be worded in several ways, so that only a model can assess it.
 */

import type { RandomStream } from '../src/util/random.ts';

/** What a question asks for; it is the `category` of its row. */
export type QuestionKind = 'sum' | 'largest' | 'count' | 'choice' | 'describe';

export interface DigitQuestion {
  kind: QuestionKind;
  problem: string;
  /** A number, the letter of an option, or a description in words. */
  answer: string;
  /** Short reasoning, such as `3+5`; a response is `<think>3+5</think><answer>8</answer>`. */
  reasoning: string;
  /** The digits to show, from left to right: two or three. */
  digits: number[];
}

// Shares of a hundred questions. No answer reaches a fifth of all rows with these (tested).
const SHARES: readonly [QuestionKind, number][] = [
  ['sum', 42],
  ['largest', 18],
  ['count', 12],
  ['choice', 10],
  ['describe', 18],
];
const THREE_DIGITS_PERCENT = 25;

const SUM_WORDINGS = [
  'What is the sum of the digits?',
  'What is the sum of the two numbers?',
  'Find the sum of the digits.',
  'Find the total of the numbers in the picture.',
  'Add the two digits.',
  'Add the numbers in the picture.',
  'What do the digits add up to?',
  'What is the total of the two digits?',
  'How much do the two numbers make together?',
] as const;

const LARGEST_WORDINGS = [
  'Which digit is the largest?',
  'What is the largest number?',
  'Find the largest digit in the picture.',
  'Which number is the biggest?',
  'Name the biggest of the digits.',
  'What is the biggest digit in the picture?',
] as const;

const COUNTED = [
  { wordings: ['How many digits are even?', 'Count the even numbers.'], counts: (d: number) => d % 2 === 0 },
  { wordings: ['How many digits are odd?', 'Count the odd numbers.'], counts: (d: number) => d % 2 === 1 },
  {
    wordings: ['How many digits are greater than 5?', 'Count the numbers greater than 5.'],
    counts: (d: number) => d > 5,
  },
] as const;

const COMPARED = [
  { word: 'larger', isLeft: (left: number, right: number) => left > right },
  { word: 'smaller', isLeft: (left: number, right: number) => left < right },
] as const;

const DESCRIBE_WORDINGS = [
  'Describe the digits from left to right.',
  'Name the digits from left to right.',
  'Say what the picture shows from left to right.',
  'Which digits do you see from left to right?',
] as const;

const NUMBER_WORDS = [
  'zero',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
] as const;

/** The ways to describe two digits. The first is the gold answer's; the others mean the same. */
export const DESCRIPTIONS: readonly ((left: number, right: number) => string)[] = [
  (left, right) => `${NUMBER_WORDS[left]} and ${NUMBER_WORDS[right]}`,
  (left, right) => `a ${NUMBER_WORDS[left]} and a ${NUMBER_WORDS[right]}`,
  (left, right) => `${left} and ${right}`,
  (left, right) => `${NUMBER_WORDS[left]}, then ${NUMBER_WORDS[right]}`,
  (left, right) => `${left}, then ${right}`,
  (left, right) => `${NUMBER_WORDS[left]} left of ${NUMBER_WORDS[right]}`,
  (left, right) => `${NUMBER_WORDS[right]} right of ${NUMBER_WORDS[left]}`,
];

/** Draws one question with its digits, its reasoning and its answer. */
export function drawQuestion(random: RandomStream): DigitQuestion {
  const kind = drawKind(random);
  if (kind === 'sum') return drawSum(random);
  if (kind === 'largest') return drawLargest(random);
  if (kind === 'count') return drawCount(random);
  if (kind === 'choice') return drawChoice(random);
  return drawDescribe(random);
}

/** The answer in other words, where there are any: what the warm-up teaches to say. */
export function reword({ kind, answer, digits }: DigitQuestion, random: RandomStream): string {
  if (kind !== 'describe') return answer;
  const [left, right] = digits as [number, number];
  return pick(DESCRIPTIONS, random)(left, right);
}

function drawKind(random: RandomStream): QuestionKind {
  let ticket = random.integer(100);
  for (const [kind, share] of SHARES) {
    if (ticket < share) return kind;
    ticket -= share;
  }
  throw new RangeError('the shares of the question kinds must sum to 100');
}

function drawSum(random: RandomStream): DigitQuestion {
  const digits = drawAddends(random);
  const answer = digits.reduce((sum, digit) => sum + digit, 0);
  return {
    kind: 'sum',
    problem: pick(SUM_WORDINGS, random),
    answer: String(answer),
    reasoning: digits.join('+'),
    digits,
  };
}

/** Two digits whose sum is one digit, each such pair equally likely: the answer is then a single token. */
function drawAddends(random: RandomStream): number[] {
  const digits = [random.integer(10), random.integer(10)];
  return digits.reduce((sum, digit) => sum + digit, 0) < 10 ? digits : drawAddends(random);
}

function drawLargest(random: RandomStream): DigitQuestion {
  const digits = distinctDigits(drawSize(random), random);
  return {
    kind: 'largest',
    problem: pick(LARGEST_WORDINGS, random),
    answer: String(Math.max(...digits)),
    reasoning: digits.join(','),
    digits,
  };
}

/** The count is drawn first, so that each possible one is equally likely. */
function drawCount(random: RandomStream): DigitQuestion {
  const { wordings, counts } = pick(COUNTED, random);
  const size = drawSize(random);
  const answer = random.integer(size + 1);
  const having: number[] = [];
  const lacking: number[] = [];
  for (let digit = 0; digit < 10; digit++) (counts(digit) ? having : lacking).push(digit);
  const sorted = Array.from({ length: size }, (_, place) => pick(place < answer ? having : lacking, random));
  const digits = random.shuffle(sorted);
  return {
    kind: 'count',
    problem: pick(wordings, random),
    answer: String(answer),
    reasoning: digits.filter(counts).join('&') || 'none',
    digits,
  };
}

function drawChoice(random: RandomStream): DigitQuestion {
  const { word, isLeft } = pick(COMPARED, random);
  const [left, right] = distinctDigits(2, random) as [number, number];
  return {
    kind: 'choice',
    problem: `Which digit is ${word}? (A) left (B) right`,
    answer: isLeft(left, right) ? 'A' : 'B',
    reasoning: `${left}${left < right ? '<' : '>'}${right}`,
    digits: [left, right],
  };
}

function drawDescribe(random: RandomStream): DigitQuestion {
  const [left, right] = distinctDigits(2, random) as [number, number];
  return {
    kind: 'describe',
    problem: pick(DESCRIBE_WORDINGS, random),
    answer: DESCRIPTIONS[0]!(left, right),
    reasoning: `${left},${right}`,
    digits: [left, right],
  };
}

function drawSize(random: RandomStream): number {
  return random.integer(100) < THREE_DIGITS_PERCENT ? 3 : 2;
}

function distinctDigits(size: number, random: RandomStream): number[] {
  return random.shuffle([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).slice(0, size);
}

function pick<T>(items: readonly T[], random: RandomStream): T {
  return items[random.integer(items.length)]!;
}

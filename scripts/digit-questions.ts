/**
 * Questions about pictures of handwritten digits: the words, the short reasoning and the answer of one row.
 * Pure functions of the numbers drawn; scripts/make-digits.ts adds the pictures and writes the files.
 */

import type { RandomStream } from '../src/util/random.ts';

/** What a question asks for; it is the `category` of its row. */
export type QuestionKind = 'sum' | 'largest' | 'smallest' | 'count';

export interface DigitQuestion {
  kind: QuestionKind;
  problem: string;
  /** A number, or a letter when the question lists options. */
  answer: string;
  /** Short reasoning, such as `3+5`; a response is `<think>3+5</think><answer>8</answer>`. */
  reasoning: string;
  /** The digits to show, from left to right: two or three. */
  digits: number[];
  multipleChoice: boolean;
}

// Shares of a hundred questions. No answer reaches a fifth of all rows with these (tested).
const SHARES: readonly [QuestionKind, number][] = [
  ['sum', 45],
  ['largest', 18],
  ['smallest', 12],
  ['count', 25],
];
const CHOICE_PERCENT = 20;
const THREE_DIGITS_PERCENT = 30;
const LETTERS = ['A', 'B', 'C'] as const;

const WORDINGS: Record<Exclude<QuestionKind, 'count'>, readonly string[]> = {
  sum: [
    'What is the sum of the digits?',
    'What is the sum of the two numbers?',
    'Find the sum of the digits.',
    'Find the total of the numbers in the picture.',
    'Add the two digits.',
    'Add the numbers in the picture.',
    'What do the digits add up to?',
    'What is the total of the two digits?',
    'How much do the two numbers make together?',
  ],
  largest: [
    'Which digit is the largest?',
    'What is the largest number?',
    'Find the largest digit in the picture.',
    'Which number is the biggest?',
    'Name the biggest of the digits.',
    'What is the biggest digit in the picture?',
  ],
  smallest: [
    'Which digit is the smallest?',
    'What is the smallest number?',
    'Find the smallest digit in the picture.',
    'Which number is the least?',
    'Name the least of the digits.',
  ],
};

interface Property {
  /** Wordings; `{n}` stands for the threshold. */
  wordings: readonly string[];
  holds: (digit: number, threshold: number) => boolean;
}

const PROPERTIES: readonly Property[] = [
  { wordings: ['How many digits are even?', 'Count the even numbers.'], holds: (d) => d % 2 === 0 },
  { wordings: ['How many digits are odd?', 'Count the odd numbers.'], holds: (d) => d % 2 === 1 },
  {
    wordings: ['How many digits are greater than {n}?', 'Count the numbers greater than {n}.'],
    holds: (d, n) => d > n,
  },
  {
    wordings: ['How many digits are less than {n}?', 'Count the numbers less than {n}.'],
    holds: (d, n) => d < n,
  },
];

/** Draws one question with its digits, its reasoning and its answer. */
export function drawQuestion(random: RandomStream): DigitQuestion {
  let ticket = random.integer(100);
  for (const [kind, share] of SHARES) {
    if (ticket >= share) {
      ticket -= share;
      continue;
    }
    if (kind === 'sum') return drawSum(random);
    if (kind === 'count') return drawCount(random);
    return drawExtreme(kind, random);
  }
  throw new RangeError('the shares of the question kinds must sum to 100');
}

function drawSum(random: RandomStream): DigitQuestion {
  const problem = pick(WORDINGS.sum, random);
  if (random.integer(100) >= CHOICE_PERCENT) {
    const digits = [random.integer(10), random.integer(10)];
    return question('sum', problem, digits, { reasoning: digits.join('+'), answer: sumOf(digits) });
  }
  // Sums of one digit only, so that the longest target stays within eleven tokens.
  const first = random.integer(10);
  const digits = [first, random.integer(10 - first)];
  return withOptions('sum', problem, digits, `${digits.join('+')}=`, sumOf(digits), random);
}

function drawExtreme(kind: 'largest' | 'smallest', random: RandomStream): DigitQuestion {
  const problem = pick(WORDINGS[kind], random);
  const multipleChoice = random.integer(100) < CHOICE_PERCENT;
  const digits = distinctDigits(multipleChoice ? 2 : drawSize(random), random);
  const answer = kind === 'largest' ? Math.max(...digits) : Math.min(...digits);
  const reasoning = digits.join(',');
  if (multipleChoice) return withOptions(kind, problem, digits, `${reasoning}:`, answer, random);
  return question(kind, problem, digits, { reasoning, answer });
}

/** The count is drawn first, so that each possible one is equally likely. */
function drawCount(random: RandomStream): DigitQuestion {
  const { wordings, holds } = pick(PROPERTIES, random);
  const threshold = 3 + random.integer(4);
  const size = drawSize(random);
  const answer = random.integer(size + 1);
  const having: number[] = [];
  const lacking: number[] = [];
  for (let digit = 0; digit < 10; digit++) (holds(digit, threshold) ? having : lacking).push(digit);
  const sorted = Array.from({ length: size }, (_, place) => pick(place < answer ? having : lacking, random));
  const digits = random.shuffle(sorted);
  const problem = pick(wordings, random).replace('{n}', String(threshold));
  return question('count', problem, digits, { reasoning: digits.join(','), answer });
}

function question(
  kind: QuestionKind,
  problem: string,
  digits: number[],
  { reasoning, answer }: { reasoning: string; answer: number },
): DigitQuestion {
  return { kind, problem, answer: String(answer), reasoning, digits, multipleChoice: false };
}

/** Lists three options, one of them right; the reasoning ends with the value whose letter is the answer. */
function withOptions(
  kind: QuestionKind,
  problem: string,
  digits: number[],
  reasoning: string,
  value: number,
  random: RandomStream,
): DigitQuestion {
  // The other digit of the picture is the tempting wrong option of a comparison.
  const values = kind === 'sum' ? [value] : [...digits];
  while (values.length < LETTERS.length) {
    const other = random.integer(10);
    if (!values.includes(other)) values.push(other);
  }
  const options = random.shuffle(values);
  const listed = LETTERS.map((letter, i) => `(${letter}) ${options[i]}`).join(' ');
  return {
    kind,
    problem: `${problem} ${listed}`,
    answer: LETTERS[options.indexOf(value)]!,
    reasoning: `${reasoning}${value}`,
    digits,
    multipleChoice: true,
  };
}

function drawSize(random: RandomStream): number {
  return random.integer(100) < THREE_DIGITS_PERCENT ? 3 : 2;
}

function distinctDigits(size: number, random: RandomStream): number[] {
  return random.shuffle([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).slice(0, size);
}

function sumOf(digits: readonly number[]): number {
  return digits.reduce((sum, digit) => sum + digit, 0);
}

function pick<T>(items: readonly T[], random: RandomStream): T {
  return items[random.integer(items.length)]!;
}

/** Pairs of a gold answer and an answer whose relation is known by construction, from a seed. */
import { RandomStream } from '../../src/util/random.ts';
import { FAMILIES } from './families.ts';
import { Draw } from './draw.ts';

export interface Pair {
  family: string;
  gold: string;
  answer: string;
  /** Whether the answer is right. */
  label: boolean;
}

/** Draws of each family; each gives a right and a wrong answer. */
const DRAWS = 20;

/** The pairs of a seed, half of them right. */
export function agreementPairs(seed: number): Pair[] {
  return Object.entries(FAMILIES).flatMap(([family, make], index) =>
    Array.from({ length: DRAWS }, (_, i) => {
      const draw = new Draw(new RandomStream(seed, 'agreement', index, i));
      const { gold, right, wrong } = make(draw);
      return [
        { family, gold, answer: dressed(draw, draw.pick(right)), label: true },
        { family, gold, answer: dressed(draw, draw.pick(wrong)), label: false },
      ];
    }).flat(),
  );
}

/** One answer in six comes in Markdown, in delimiters or in a sentence. */
function dressed(draw: Draw, answer: string): string {
  if (draw.integer(0, 5) > 0) return answer;
  return draw.pick([
    `$${answer}$`,
    `**${answer}**`,
    `\\boxed{${answer}}`,
    `The answer is ${answer}.`,
    `\\(${answer}\\)`,
    `Answer: ${answer}`,
  ]);
}

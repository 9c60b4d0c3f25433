/**
 * Writes responses of all kinds that rules can judge, half of them right, to time `wethink reward` with:
 *
 *   node scripts/mixed-rewards.ts [--rows 10000] [--seed 1] [--out mixed.jsonl]
 *   time npm run wethink -- reward --data mixed.jsonl --out rewards.jsonl
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { VerifierName } from '../src/config/reward-routes.ts';
import { RandomStream } from '../src/util/random.ts';

interface Question {
  problem: string;
  answer: string;
  right: string;
  wrong: string;
}

export interface MixedRow {
  problem: string;
  answer: string;
  reward: VerifierName;
  response: string;
  /** Whether the response is right. */
  right: boolean;
}

const WORDS = 'red green blue large small round square cat dog bird house tree river cloud stone'.split(' ');
const NUMBER_WORDS = 'zero one two three four five six seven eight nine ten'.split(' ');

const KINDS: Readonly<Record<VerifierName, (random: RandomStream) => Question>> = {
  number(random) {
    const value = random.integer(900_000) + 1000;
    const problem = 'How much is it?';
    return {
      problem,
      answer: String(value),
      right: `$${value.toLocaleString('en-US')}.00`,
      wrong: String(value + 1),
    };
  },
  count(random) {
    const value = random.integer(10);
    const wrong = `There are ${value + 1} balls.`;
    return {
      problem: 'How many?',
      answer: String(value),
      right: `There are ${NUMBER_WORDS[value]} balls.`,
      wrong,
    };
  },
  relaxed(random) {
    const value = random.integer(900) + 100;
    const right = (value * 1.03).toFixed(1);
    return { problem: 'What is the value?', answer: String(value), right, wrong: (value * 1.2).toFixed(1) };
  },
  choice(random) {
    const options = random.shuffle(WORDS).slice(0, 4);
    const place = random.integer(4);
    const letter = 'ABCD'[place]!;
    const problem = `Which? ${options.map((option, i) => `(${'ABCD'[i]}) ${option}`).join(' ')}`;
    return {
      problem,
      answer: letter,
      right: `${letter}. ${options[place]}`,
      wrong: options[(place + 1) % 4]!,
    };
  },
  yes_no(random) {
    const yes = random.integer(2) === 1;
    const texts = ['No, it is not.', 'Yes, it is.'];
    const [wrong, right] = yes ? texts : texts.toReversed();
    return { problem: 'Is it?', answer: yes ? 'Yes' : 'No', right: right!, wrong: wrong! };
  },
  math(random) {
    const [a, b, c] = [2, 3, 4].map((low) => low + random.integer(9)) as [number, number, number];
    const forms: readonly (readonly [string, string, string])[] = [
      [`\\frac{${a}}{${b}}`, `$\\dfrac{${a * c}}{${b * c}}$`, `\\frac{${b}}{${a + b}}`],
      [`${a}\\sqrt{${b}}`, `\\sqrt{${a * a * b}}`, `\\sqrt{${a * a * b + 1}}`],
      [`x^2+${a + b}x+${a * b}`, `(x+${a})(x+${b})`, `(x+${a})(x-${b})`],
      [`[${a}, ${a + b})`, `\\left[${a}, ${a + b}\\right)`, `(${a}, ${a + b})`],
      [`\\{${a}, ${a + b}\\}`, `{${a + b}, ${a}}`, `\\{${a}\\}`],
      [`${a}x+${b}y=${c}`, `${2 * a}x+${2 * b}y=${2 * c}`, `${a}x+${b}y=${c + 1}`],
      [`\\frac{${a}\\pi}{${b}}`, `${a}π/${b}`, `${a}π/${b + 1}`],
    ];
    const [answer, right, wrong] = forms[random.integer(forms.length)]!;
    return { problem: 'What is it?', answer, right, wrong };
  },
  text(random) {
    const [a, b, c] = random.shuffle(WORDS) as [string, string, string];
    return { problem: 'What is it?', answer: `a ${a} ${b}`, right: `The ${a} ${b}.`, wrong: `a ${a} ${c}` };
  },
  list(random) {
    const words = random.shuffle(WORDS).slice(0, 4);
    const right = `${words.slice(1).join(', ')} and ${words[0]}`;
    return { problem: 'Which ones?', answer: words.join(', '), right, wrong: words.slice(1).join(', ') };
  },
  ordered_list(random) {
    const words = random.shuffle(WORDS).slice(0, 4);
    const right = `[${words.map((word) => `"${word}"`).join(', ')}]`;
    return {
      problem: 'In which order?',
      answer: words.join(', '),
      right,
      wrong: words.toReversed().join(', '),
    };
  },
  box(random) {
    const [x, y] = [random.integer(500), random.integer(500)];
    const box = (shift: number) => `[${x + shift}, ${y}, ${x + shift + 100}, ${y + 80}]`;
    return { problem: 'Where?', answer: box(0), right: box(0), wrong: box(200) };
  },
  detection(random) {
    const boxes = (label: string) =>
      JSON.stringify([0, 1].map((i) => ({ bbox_2d: [200 * i, place, 200 * i + 90, place + 60], label })));
    const place = random.integer(500);
    return {
      problem: 'Where?',
      answer: boxes('cat'),
      right: `\`\`\`json\n${boxes('cat')}\n\`\`\``,
      wrong: '[]',
    };
  },
};

/** The same seed gives the same rows. */
export function mixedRows(count: number, seed: number): MixedRow[] {
  const kinds = Object.keys(KINDS) as VerifierName[];
  return Array.from({ length: count }, (_, i) => {
    const random = new RandomStream(seed, 'mixed-rewards', i);
    const reward = kinds[i % kinds.length]!;
    const { problem, answer, right, wrong } = KINDS[reward](random);
    const isRight = random.integer(2) === 1;
    const response = `<think>Let me see.</think><answer>${isRight ? right : wrong}</answer>`;
    return { problem, answer, reward, response, right: isRight };
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '10000' },
      seed: { type: 'string', default: '1' },
      out: { type: 'string', default: 'mixed.jsonl' },
    },
  });
  const rows = mixedRows(Number(values.rows), Number(values.seed));
  await writeFile(values.out, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  console.log(`${rows.length} rows: ${values.out}`);
}

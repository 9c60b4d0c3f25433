/** Sets of real numbers. */
import type { Family } from './families.ts';

export const SETS: Readonly<Record<string, Family>> = {
  interval: (d) => {
    const a = d.integer(-20, 10);
    const b = a + d.integer(1, 20);
    return {
      gold: `[${a}, ${b})`,
      right: [
        `\\left[${a},${b}\\right)`,
        `[${a},${b})`,
        `${a} \\le x < ${b}`,
        `x \\in [${a}, ${b})`,
        `[${2 * a}/2, ${b})`,
      ],
      wrong: [
        `(${a}, ${b})`,
        `[${a}, ${b}]`,
        `(${a}, ${b}]`,
        `[${a}, ${b + 1})`,
        `\\{${a}, ${b}\\}`,
        `${a} < x < ${b}`,
      ],
    };
  },
  'interval to infinity': (d) => {
    const a = d.integer(-20, 20);
    return {
      gold: `[${a}, \\infty)`,
      right: [
        `[${a}, ∞)`,
        `x \\ge ${a}`,
        `\\left[${a}, +\\infty\\right)`,
        `x>=${a}`,
        `\\{x \\mid x \\ge ${a}\\}`,
      ],
      wrong: [`(${a}, \\infty)`, `(-\\infty, ${a}]`, `x > ${a}`, `[${a + 1}, \\infty)`, String(a)],
    };
  },
  union: (d) => {
    const a = d.integer(-20, 0);
    const b = a + d.integer(1, 15);
    return {
      gold: `(-\\infty, ${a}) \\cup (${b}, \\infty)`,
      right: [
        `(${b},\\infty)\\cup(-\\infty,${a})`,
        `x < ${a} \\text{ or } x > ${b}`,
        `(-∞, ${a}) ∪ (${b}, ∞)`,
        `x<${a} or x>${b}`,
        `\\mathbb{R} \\setminus [${a}, ${b}]`,
      ],
      wrong: [
        `(-\\infty, ${a}] \\cup [${b}, \\infty)`,
        `(${a}, ${b})`,
        `(-\\infty, ${b}) \\cup (${a}, \\infty)`,
        `(-\\infty, ${a})`,
        `${a} < x < ${b}`,
      ],
    };
  },
  exclusion: (d) => {
    const a = d.other(-9, 9, 0);
    return {
      gold: `x \\neq ${a}`,
      right: [
        `(-\\infty, ${a}) \\cup (${a}, \\infty)`,
        `\\mathbb{R}\\setminus\\{${a}\\}`,
        `x \\ne ${a}`,
        `x ≠ ${a}`,
      ],
      wrong: [
        `x = ${a}`,
        `x \\neq ${-a}`,
        `(-\\infty, ${a})`,
        '\\mathbb{R}',
        `(-\\infty, ${a}] \\cup (${a}, \\infty)`,
      ],
    };
  },
  'no solution': (d) => ({
    gold: d.pick(['\\emptyset', '\\text{no solution}', '\\varnothing']),
    right: ['\\emptyset', 'no solution', '∅', 'no real solutions', '\\{\\}'],
    wrong: ['0', '\\{0\\}', '\\mathbb{R}', `x = ${d.integer(1, 9)}`, 'all real numbers'],
  }),
  'all reals': (d) => ({
    gold: d.pick(['\\mathbb{R}', '(-\\infty, \\infty)']),
    right: ['\\mathbb{R}', '(-\\infty, \\infty)', 'all real numbers', '(-∞, ∞)', 'ℝ'],
    wrong: ['(0, \\infty)', '\\emptyset', '\\infty', `x \\neq ${d.integer(1, 9)}`],
  }),
};

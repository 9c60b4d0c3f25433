/** Words, letters, times, families of solutions, lists that are compared as they are written. */
import type { Family } from './families.ts';

const NAMES = ['Evelyn', 'Carla', 'Navin', 'Brent', 'Monday', 'Friday', 'ellipse', 'parabola', 'even', 'odd'];

export const TEXTS: Readonly<Record<string, Family>> = {
  'family of solutions': (d) => {
    const [q, k] = [d.integer(3, 12), d.integer(1, 3)];
    return {
      gold: `\\frac{\\pi}{${q}} + ${2 * k}k\\pi, k \\in \\mathbb{Z}`,
      right: [
        `${2 * k}k\\pi + \\frac{\\pi}{${q}}, k \\in \\mathbb{Z}`,
        `\\frac{\\pi}{${q}} + ${2 * k}\\pi n, n \\in \\mathbb{Z}`,
        `x = \\frac{\\pi}{${q}} + ${2 * k}k\\pi`,
      ],
      wrong: [
        `\\frac{\\pi}{${q}} + ${2 * k + 1}k\\pi, k \\in \\mathbb{Z}`,
        `\\frac{\\pi}{${q + 1}} + ${2 * k}k\\pi, k \\in \\mathbb{Z}`,
        `\\frac{\\pi}{${q}}`,
        `-\\frac{\\pi}{${q}} + ${2 * k}k\\pi`,
      ],
    };
  },
  ellipsis: (d) => {
    const [a, step] = [d.integer(1, 5), d.integer(2, 5)];
    const text = `${a}, ${a + step}, \\ldots, ${a}+${step}n`;
    return {
      gold: text,
      right: [text, text.replaceAll(' ', ''), text.replace('\\ldots', '...')],
      wrong: [
        `${a}, ${a + step + 1}, \\ldots, ${a}+${step + 1}n`,
        `${a}, ${a + step}`,
        `${a}, ${a + step}, \\ldots, ${a}+${step}m`,
      ],
    };
  },
  word: (d) => {
    const [word, other] = d.shuffle(NAMES) as [string, string];
    return {
      gold: `\\text{${word}}`,
      right: [word, word.toLowerCase(), `\\text{${word}}`, `\\mathrm{${word}}`],
      wrong: [other, `\\text{${other}}`, `${word} or ${other}`, word.slice(1)],
    };
  },
  letter: (d) => {
    const [a, b] = d.shuffle(['A', 'B', 'C', 'D', 'E']) as [string, string];
    return {
      gold: `\\text{(${a})}`,
      right: [a, `(${a})`, `\\text{${a}}`, `\\textbf{(${a})}`],
      wrong: [b, `(${b})`, `${a}, ${b}`, `\\text{${b}}`],
    };
  },
  time: (d) => {
    const [hour, minute] = [d.integer(1, 12), d.integer(10, 58)];
    return {
      gold: `${hour}:${minute} \\text{ p.m.}`,
      right: [`${hour}:${minute} pm`, `${hour}:${minute} p.m.`, `${hour}:${minute} PM`, `${hour}:${minute}`],
      wrong: [`${hour}:${minute} a.m.`, `${hour}:${minute + 1} p.m.`, `${(hour % 12) + 1}:${minute} pm`],
    };
  },
};

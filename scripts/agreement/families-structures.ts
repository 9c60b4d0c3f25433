/** Sets, lists, tuples, matrices. */
import type { Family } from './families.ts';

export const STRUCTURES: Readonly<Record<string, Family>> = {
  set: (d) => {
    const items = d.shuffle([1, 2, 3, 5, 8, 13, 21]).slice(0, 3);
    const [a, b, c] = items as [number, number, number];
    return {
      gold: `\\{${a}, ${b}, ${c}\\}`,
      right: [
        `\\{${c}, ${a}, ${b}\\}`,
        `${b}, ${c}, ${a}`,
        `{${a},${b},${c}}`,
        `\\left\\{${c},${b},${a}\\right\\}`,
        `x = ${a}, x = ${b}, x = ${c}`,
      ],
      wrong: [
        `\\{${a}, ${b}\\}`,
        `\\{${a}, ${b}, ${c + 1}\\}`,
        `(${a}, ${b}, ${c})`,
        `${a}, ${b}`,
        `\\{${a}, ${b}, ${c}, 99\\}`,
        String(a),
      ].filter((text) => !text.startsWith('(')),
    };
  },
  list: (d) => {
    const a = d.integer(-30, 30);
    const b = d.other(-30, 30, a);
    return {
      gold: `${a}, ${b}`,
      right: [
        `${b}, ${a}`,
        `${a} and ${b}`,
        `${a},${b}`,
        `x = ${a} or x = ${b}`,
        `\\{${a}, ${b}\\}`,
        `${b} \\text{ and } ${a}`,
      ],
      wrong: [String(a), `${a}, ${b}, 77`, `${a}, ${b + 50}`, `${a} and 88`, String(b)],
    };
  },
  'plus or minus': (d) => {
    const [a, m] = [d.integer(1, 9), d.pick([2, 3, 5, 7])];
    return {
      gold: `${a} \\pm \\sqrt{${m}}`,
      right: [
        `${a} ± √${m}`,
        `${a}+\\sqrt{${m}}, ${a}-\\sqrt{${m}}`,
        `x = ${a} \\pm \\sqrt{${m}}`,
        `\\frac{${2 * a} \\pm \\sqrt{${4 * m}}}{2}`,
        `\\{${a}-\\sqrt{${m}}, ${a}+\\sqrt{${m}}\\}`,
      ],
      wrong: [
        `${a} + \\sqrt{${m}}`,
        `\\pm\\sqrt{${m}}`,
        `-${a} \\pm \\sqrt{${m}}`,
        `${a} \\pm ${m}`,
        `${a} \\pm \\sqrt{${m + 1}}`,
      ],
    };
  },
  'ordered pair': (d) => {
    const a = d.integer(-20, 20);
    const b = d.other(-20, 20, a);
    return {
      gold: `(${a}, ${b})`,
      right: [
        `(${a},${b})`,
        `\\left(${a}, ${b}\\right)`,
        `x = ${a}, y = ${b}`,
        `(x, y) = (${a}, ${b})`,
        `(${a}, ${2 * b}/2)`,
      ],
      wrong: [
        `(${b}, ${a})`,
        `(${a}, ${b + 1})`,
        `\\{${a}, ${b}\\}`,
        `[${a}, ${b}]`,
        `x = ${b}, y = ${a}`,
        `(${a}, ${b}, 0)`,
        String(a),
      ],
    };
  },
  'tuple of formulas': (d) => {
    const [p, q] = d.fraction();
    const k = d.integer(2, 9);
    return {
      gold: `\\left(${k}, \\frac{${p}\\pi}{${q}}\\right)`,
      right: [`(${k}, ${p}π/${q})`, `(${k}, \\frac{${p}}{${q}}\\pi)`, `(${k},\\tfrac{${p}\\pi}{${q}})`],
      wrong: [
        `(\\frac{${p}\\pi}{${q}}, ${k})`,
        `(${k}, \\frac{${p + 1}\\pi}{${q}})`,
        `(${k + 1}, \\frac{${p}\\pi}{${q}})`,
        `(${k}, \\frac{${p}}{${q}})`,
      ],
    };
  },
  'several points': (d) => {
    const [a, b] = [d.integer(1, 9), d.integer(10, 20)];
    return {
      gold: `(${a}, ${b}), (${b}, ${a})`,
      right: [
        `(${b}, ${a}), (${a}, ${b})`,
        `(${a},${b}) and (${b},${a})`,
        `\\{(${b}, ${a}), (${a}, ${b})\\}`,
      ],
      wrong: [
        `(${a}, ${b})`,
        `(${a}, ${a}), (${b}, ${b})`,
        `(${a}, ${b}), (${b}, ${a + 1})`,
        `(${a}, ${b}, ${b}, ${a})`,
      ],
    };
  },
  matrix: (d) => {
    const [a, b, c, e] = [d.integer(-9, 9), d.integer(10, 20), d.integer(21, 30), d.integer(-9, 9)];
    return {
      gold: `\\begin{pmatrix} ${a} & ${b} \\\\ ${c} & ${e} \\end{pmatrix}`,
      right: [
        `\\begin{bmatrix} ${a} & ${b} \\\\ ${c} & ${e} \\end{bmatrix}`,
        `\\begin{pmatrix}${a}&${b}\\\\${c}&${e}\\end{pmatrix}`,
        `\\left[\\begin{array}{cc} ${a} & ${b} \\\\ ${c} & ${e} \\end{array}\\right]`,
        `\\begin{pmatrix} ${a} & \\frac{${2 * b}}{2} \\\\ ${c} & ${e} \\end{pmatrix}`,
      ],
      wrong: [
        `\\begin{pmatrix} ${a} & ${c} \\\\ ${b} & ${e} \\end{pmatrix}`,
        `\\begin{pmatrix} ${a} & ${b} \\\\ ${c} & ${e + 1} \\end{pmatrix}`,
        `\\begin{pmatrix} ${a} & ${b} \\end{pmatrix}`,
        `\\begin{pmatrix} ${-b} & ${b} \\\\ ${c} & ${e} \\end{pmatrix}`,
      ],
    };
  },
  vector: (d) => {
    const [a, b] = [d.integer(-9, 9), d.integer(10, 20)];
    return {
      gold: `\\begin{pmatrix} ${a} \\\\ ${b} \\end{pmatrix}`,
      right: [
        `\\begin{bmatrix} ${a} \\\\ ${b} \\end{bmatrix}`,
        `(${a}, ${b})`,
        `\\langle ${a}, ${b} \\rangle`,
      ],
      wrong: [
        `\\begin{pmatrix} ${b} \\\\ ${a} \\end{pmatrix}`,
        `(${b}, ${a})`,
        `\\begin{pmatrix} ${a} \\\\ ${b + 1} \\end{pmatrix}`,
      ],
    };
  },
};

/** Equations and inequalities. */
import { signed } from './draw.ts';
import type { Family } from './families.ts';

export const EQUATIONS: Readonly<Record<string, Family>> = {
  'named value': (d) => {
    const n = d.other(-90, 90, 0);
    const x = d.letter();
    return {
      gold: `${x} = ${n}`,
      right: [String(n), `${x}=${n}`, `${n} = ${x}`, `$${x}=${n}$`],
      wrong: [String(-n), `${x} = ${n + 1}`, `${x} > ${n}`, `w = ${n}`, `${x} \\ne ${n}`],
    };
  },
  'value for a name': (d) => {
    const [p, q] = d.fraction();
    return {
      gold: `\\frac{${p}}{${q}}`,
      right: [
        `x = \\frac{${p}}{${q}}`,
        `f(2) = \\frac{${p}}{${q}}`,
        `P(A) = ${p}/${q}`,
        `\\text{Area} = \\frac{${p}}{${q}}`,
        `\\cos\\theta = \\frac{${p}}{${q}}`,
      ],
      wrong: [
        `x = \\frac{${q}}{${p}}`,
        `f(2) = -\\frac{${p}}{${q}}`,
        `x^2 = \\frac{${p}}{${q}}`,
        `x = ${p}`,
        `2x = \\frac{${p}}{${q}}`,
      ],
    };
  },
  function: (d) => {
    const [a, b] = [d.integer(2, 9), d.other(-9, 9, 0)];
    return {
      gold: `y = ${a}x ${signed(b)}`,
      right: [
        `${a}x ${signed(b)}`,
        `f(x) = ${a}x ${signed(b)}`,
        `y - ${a}x = ${b}`,
        `${a}x - y ${signed(b)} = 0`,
        `y=${b}+${a}x`,
      ],
      wrong: [
        `y = ${a}x ${signed(-b)}`,
        `y = -${a}x ${signed(b)}`,
        `x = ${a}y ${signed(b)}`,
        `${a}x`,
        `y = ${a + 1}x ${signed(b)}`,
      ],
    };
  },
  'linear equation': (d) => {
    const [a, b, c, k] = [d.integer(2, 9), d.integer(2, 9), d.integer(1, 20), d.integer(2, 4)];
    return {
      gold: `${a}x + ${b}y = ${c}`,
      right: [
        `${a * k}x + ${b * k}y = ${c * k}`,
        `${c} = ${a}x + ${b}y`,
        `${a}x + ${b}y - ${c} = 0`,
        `-${a}x - ${b}y = -${c}`,
      ],
      wrong: [
        `${a}x + ${b}y = ${c + 1}`,
        `${a}x - ${b}y = ${c}`,
        `${a * k}x + ${b * k}y = ${c}`,
        `${a}x + ${b + 1}y = ${c}`,
      ],
    };
  },
  circle: (d) => {
    const [a, b, r] = [d.integer(1, 6), d.integer(1, 6), d.integer(2, 9)];
    return {
      gold: `(x-${a})^2 + (y+${b})^2 = ${r * r}`,
      right: [
        `x^2 + y^2 - ${2 * a}x + ${2 * b}y + ${a * a + b * b} = ${r * r}`,
        `(x-${a})^2+(y+${b})^2=${r}^2`,
        `(${a}-x)^2 + (y+${b})^2 = ${r * r}`,
      ],
      wrong: [
        `(x+${a})^2 + (y-${b})^2 = ${r * r}`,
        `(x-${a})^2 + (y+${b})^2 = ${r}`,
        `(x-${a})^2 - (y+${b})^2 = ${r * r}`,
      ],
    };
  },
  inequality: (d) => {
    const n = d.other(-20, 20, 0);
    return {
      gold: `x < ${n}`,
      right: [`${n} > x`, `(-\\infty, ${n})`, `x \\in (-\\infty, ${n})`, `x<${n}`, `2x < ${2 * n}`],
      wrong: [`x > ${n}`, `x \\le ${n}`, `(-\\infty, ${n}]`, `(${n}, \\infty)`, `x = ${n}`, `x < ${n + 1}`],
    };
  },
  'chain of inequalities': (d) => {
    const a = d.integer(-9, 5);
    const b = a + d.integer(2, 9);
    return {
      gold: `${a} < x \\le ${b}`,
      right: [`(${a}, ${b}]`, `${b} \\ge x > ${a}`, `x > ${a} \\text{ and } x \\le ${b}`, `${a}<x≤${b}`],
      wrong: [
        `${a} \\le x \\le ${b}`,
        `[${a}, ${b})`,
        `${a} < x < ${b}`,
        `${a + 1} < x \\le ${b}`,
        `x \\le ${a} \\text{ or } x > ${b}`,
      ],
    };
  },
};

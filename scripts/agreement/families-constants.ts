/** Constants: roots, π, powers, factorials, binomials, logarithms, complex numbers. */
import type { Family } from './families.ts';

export const CONSTANTS: Readonly<Record<string, Family>> = {
  root: (d) => {
    const [k, m] = [d.integer(2, 9), d.pick([2, 3, 5, 6, 7, 10])];
    return {
      gold: `${k}\\sqrt{${m}}`,
      right: [
        `\\sqrt{${k * k * m}}`,
        `${k}√${m}`,
        `${k}*sqrt(${m})`,
        `${k} \\cdot \\sqrt{${m}}`,
        `${k}\\sqrt ${m}`,
        `\\frac{${k * m}}{\\sqrt{${m}}}`,
      ],
      wrong: [
        `\\sqrt{${k * m}}`,
        `${m}\\sqrt{${k}}`,
        `${k + 1}\\sqrt{${m}}`,
        String(k * m),
        `-${k}\\sqrt{${m}}`,
        `${k}\\sqrt{${m + 1}}`,
        (k * Math.sqrt(m)).toFixed(2),
      ].filter((text) => text !== `${k}\\sqrt{${k}}`),
    };
  },
  'rationalised root': (d) => {
    const [p, m] = [d.integer(1, 9), d.pick([2, 3, 5, 7, 11])];
    return {
      gold: `\\frac{${p}\\sqrt{${m}}}{${m}}`,
      right: [`\\frac{${p}}{\\sqrt{${m}}}`, `${p}/√${m}`, `${p}\\sqrt{\\frac{1}{${m}}}`, `(${p}√${m})/${m}`],
      wrong: [
        `${p}\\sqrt{${m}}`,
        `\\frac{\\sqrt{${m}}}{${p + m}}`,
        `\\frac{${p + 1}}{\\sqrt{${m}}}`,
        `\\frac{${p}}{${m}}`,
      ],
    };
  },
  'cube root': (d) => {
    const [k, m] = [d.integer(2, 5), d.pick([2, 3, 5, 7])];
    return {
      gold: `${k}\\sqrt[3]{${m}}`,
      right: [`\\sqrt[3]{${k ** 3 * m}}`, `${k}\\cdot ${m}^{1/3}`, `${k}∛${m}`, `${k}*cbrt(${m})`],
      wrong: [`${k}\\sqrt{${m}}`, `\\sqrt[3]{${k * m}}`, `3\\sqrt{${k * m}}`, `${k + 1}\\sqrt[3]{${m}}`],
    };
  },
  'sum with root': (d) => {
    const [a, b, m] = [d.integer(1, 9), d.integer(2, 9), d.pick([2, 3, 5, 7])];
    return {
      gold: `${a}+${b}\\sqrt{${m}}`,
      right: [
        `${b}\\sqrt{${m}}+${a}`,
        `${a} + ${b}√${m}`,
        `${a}+\\sqrt{${b * b * m}}`,
        `\\frac{${2 * a}+${2 * b}\\sqrt{${m}}}{2}`,
      ],
      wrong: [
        `${a}-${b}\\sqrt{${m}}`,
        `${a + b}\\sqrt{${m}}`,
        `${a}+${b}\\sqrt{${m + 1}}`,
        `${a + 1}+${b}\\sqrt{${m}}`,
        `${a}\\pm ${b}\\sqrt{${m}}`,
      ],
    };
  },
  pi: (d) => {
    const [p, q] = d.fraction();
    return {
      gold: `\\frac{${p}\\pi}{${q}}`,
      right: [
        `${p}π/${q}`,
        `\\frac{${p}}{${q}}\\pi`,
        `\\pi \\cdot \\frac{${p}}{${q}}`,
        `${p}*pi/${q}`,
        `${p}\\pi/${q}`,
      ],
      wrong: [
        `\\frac{${p}}{${q}}`,
        `\\frac{${p}}{${q}\\pi}`,
        `\\frac{${p + 1}\\pi}{${q}}`,
        `-\\frac{${p}\\pi}{${q}}`,
        `${p}\\pi`,
      ],
    };
  },
  power: (d) => {
    const [base, exponent] = [d.integer(2, 9), d.integer(2, 12)];
    return {
      gold: `${base}^{${exponent}}`,
      right: [
        String(base ** exponent),
        `${base}^${exponent}`,
        `${base} \\cdot ${base}^{${exponent - 1}}`,
        `${base}**${exponent}`,
      ],
      wrong: [
        `${base}^{${exponent + 1}}`,
        `${base}^{-${exponent}}`,
        String(base ** exponent + 1),
        `${base + 1}^{${exponent}}`,
      ],
    };
  },
  factorial: (d) => {
    const n = d.integer(4, 12);
    return {
      gold: `${n}!`,
      right: [`${n} \\cdot ${n - 1}!`, `\\frac{${n + 1}!}{${n + 1}}`, `${n}!`],
      wrong: [`${n + 1}!`, `${n - 1}!`, String(n), `\\frac{1}{${n}!}`],
    };
  },
  binomial: (d) => {
    const n = d.integer(5, 14);
    const k = d.integer(2, Math.floor((n - 1) / 2));
    return {
      gold: `\\binom{${n}}{${k}}`,
      right: [
        `\\binom{${n}}{${n - k}}`,
        `\\frac{${n}!}{${k}!${n - k}!}`,
        `\\dbinom{${n}}{${k}}`,
        `C(${n},${k})`,
      ],
      wrong: [
        `\\binom{${n + 1}}{${k}}`,
        `\\binom{${n}}{${k - 1}}`,
        `\\frac{${n}}{${k}}`,
        `\\frac{${n}!}{${k}!}`,
      ],
    };
  },
  complex: (d) => {
    const [a, b] = [d.integer(1, 9), d.integer(2, 9)];
    return {
      gold: `${a}-${b}i`,
      right: [`-${b}i+${a}`, `${a} - ${b}i`, `${a}-${b}\\mathrm{i}`, `-i(${b}+${a}i)`],
      wrong: [`${a}+${b}i`, `-${a}+${b}i`, String(a - b), `${a}-${b + 1}i`, `\\sqrt{${a * a + b * b}}`],
    };
  },
  logarithm: (d) => {
    const [base, argument] = [d.integer(2, 7), d.pick([10, 11, 13, 15])];
    return {
      gold: `\\log_{${base}} ${argument}`,
      right: [
        `\\frac{\\ln ${argument}}{\\ln ${base}}`,
        `\\log_{${base}}(${argument})`,
        `\\log_${base}{${argument}}`,
      ],
      wrong: [
        `\\log_{${argument}} ${base}`,
        `\\log_{${base + 1}} ${argument}`,
        `\\ln ${argument}`,
        `\\frac{${argument}}{${base}}`,
      ],
    };
  },
};

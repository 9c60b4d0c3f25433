/** Plain numbers: whole, decimal, fractions, mixed, tiny and large ones. */
import { grouped } from './draw.ts';
import type { Family } from './families.ts';

export const NUMBERS: Readonly<Record<string, Family>> = {
  whole: (d) => {
    const n = d.other(-500, 500, 0);
    return {
      gold: String(n),
      right: [String(n), `${n}.0`, `x = ${n}`, `${n} `, `\\text{${n}}`, `n=${n}`],
      wrong: [String(-n), String(n + 1), `${n}0`, `\\pm ${Math.abs(n)}`, `${n}x`, `${n}, ${n + 2}`, `${n}.5`],
    };
  },
  thousands: (d) => {
    const n = d.integer(1001, 9_999_999);
    return {
      gold: d.pick([String(n), grouped(n, ','), grouped(n, '{,}')]),
      right: [
        String(n),
        grouped(n, ','),
        grouped(n, '{,}'),
        grouped(n, '\\,'),
        grouped(n, ' '),
        `\\$${grouped(n, ',')}`,
      ],
      wrong: [
        String(n + 1),
        grouped(n + 1000, ','),
        String(n).slice(0, -1),
        `${n}0`,
        grouped(n, ',').split(',')[0]!,
      ],
    };
  },
  decimal: (d) => {
    const [whole, tenths, last] = [d.integer(0, 40), d.integer(0, 9), d.integer(1, 9)];
    const text = `${whole}.${tenths}${last}`;
    return {
      gold: text,
      right: [
        text,
        `${text}0`,
        `\\frac{${whole * 100 + tenths * 10 + last}}{100}`,
        whole === 0 ? text.slice(1) : text,
      ],
      wrong: [
        `${whole}.${tenths}${(last % 9) + 1}`,
        `${whole + 1}.${tenths}${last}`,
        `-${text}`,
        `${whole}${tenths}${last}`,
        String(whole),
      ],
    };
  },
  fraction: (d) => {
    const [p, q] = d.fraction();
    const k = d.integer(2, 5);
    const sign = d.pick(['', '-']);
    return {
      gold: `${sign}\\frac{${p}}{${q}}`,
      right: [
        `${sign}${p}/${q}`,
        `${sign}\\dfrac{${p}}{${q}}`,
        `${sign}\\frac{${p * k}}{${q * k}}`,
        `\\frac{${sign}${p}}{${q}}`,
        `${sign}\\left(\\frac{${p}}{${q}}\\right)`,
      ],
      wrong: [
        `${sign}\\frac{${q}}{${p}}`,
        `${sign}\\frac{${p}}{${q + 1}}`,
        `${sign}${p + q}/${q}`,
        `${sign}${p}${q}`,
        String(p),
        `${sign === '' ? '-' : ''}${p}/${q}`,
      ].filter((text) => text !== `${sign}\\frac{1}{1}`),
    };
  },
  'fraction as decimal': (d) => {
    const [p, q] = [d.integer(1, 60), d.pick([2, 4, 5, 8, 16, 20])];
    return {
      gold: `\\frac{${p}}{${q}}`,
      right: [String(p / q), `${p / q}0`.replace(/^(\d+)0$/, '$1'), `${(p * 100) / q}\\%`],
      wrong: [String(p / q + 0.5), String((p / q) * 10), `${p / q}\\%`, String(-p / q)],
    };
  },
  'rounded decimal': (d) => {
    const [p, q] = [d.integer(1, 20), d.pick([3, 7, 9, 11, 13])];
    const value = (p % q === 0 ? p + 1 : p) / q;
    const numerator = p % q === 0 ? p + 1 : p;
    return {
      gold: `\\frac{${numerator}}{${q}}`,
      right: [value.toFixed(8), value.toFixed(10), `${numerator}/${q}`],
      wrong: [value.toFixed(2), value.toFixed(3), value.toFixed(1), (value + 0.001).toFixed(8)],
    };
  },
  'mixed number': (d) => {
    const whole = d.integer(1, 12);
    const q = d.integer(2, 9);
    const p = d.integer(1, q - 1);
    const improper = whole * q + p;
    return {
      gold: `${whole}\\frac{${p}}{${q}}`,
      right: [
        `\\frac{${improper}}{${q}}`,
        `${whole} ${p}/${q}`,
        `${whole} \\frac{${p}}{${q}}`,
        `${improper}/${q}`,
        `${whole} + \\frac{${p}}{${q}}`,
      ],
      wrong: [
        `\\frac{${improper + 1}}{${q}}`,
        `\\frac{${p}}{${q}}`,
        String(whole),
        `${whole + 1} ${p}/${q}`,
        `${whole * p}/${q}${q === 1 ? '1' : ''}`,
      ],
    };
  },
  'tiny value': (d) => {
    const n = d.integer(60, 200);
    return {
      gold: `\\frac{1}{2^{${n}}}`,
      right: [`2^{-${n}}`, `1/2^{${n}}`, `(\\frac{1}{2})^{${n}}`, `\\frac{2}{2^{${n + 1}}}`],
      wrong: [
        `\\frac{1}{2^{${n + 1}}}`,
        `\\frac{1}{3^{${n}}}`,
        `\\frac{1}{2^{${n - 1}}}`,
        '0',
        `-\\frac{1}{2^{${n}}}`,
      ],
    };
  },
  scientific: (d) => {
    const [a, b, exponent] = [d.integer(1, 9), d.integer(1, 9), d.other(-30, 30, -1, 0, 1)];
    return {
      gold: `${a}.${b} \\times 10^{${exponent}}`,
      right: [
        `${a}.${b}e${exponent}`,
        `${a}.${b} \\cdot 10^{${exponent}}`,
        `${a}.${b}×10^${exponent}`,
        `${a}${b} \\times 10^{${exponent - 1}}`,
      ],
      wrong: [
        `${a}.${b} \\times 10^{${exponent + 1}}`,
        `${a}.${b} \\times 10^{${-exponent}}`,
        `${b === a ? a + 1 : b}.${a} \\times 10^{${exponent}}`,
        `${a}.${b}`,
      ],
    };
  },
};

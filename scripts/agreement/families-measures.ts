/** Measures: percent, units, money, angles, bases, ratios. */
import { gcd, grouped } from './draw.ts';
import type { Family } from './families.ts';

export const MEASURES: Readonly<Record<string, Family>> = {
  percent: (d) => {
    const n = d.integer(2, 99);
    return {
      gold: `${n}\\%`,
      right: [`${n}%`, String(n / 100), `\\frac{${n}}{100}`, `${n} percent`],
      wrong: [`${n + 1}%`, `${100 - n === n ? n + 5 : 100 - n}\\%`, String(n / 1000), `${n}0%`],
    };
  },
  length: (d) => {
    const [n, [unit, name, other]] = [
      d.integer(2, 90),
      d.pick([
        ['cm', 'centimeters', 'm'],
        ['m', 'meters', 'kg'],
        ['kg', 'kilograms', 's'],
        ['km', 'kilometers', 'cm'],
        ['s', 'seconds', 'm'],
      ] as const),
    ];
    return {
      gold: `${n}\\text{ ${unit}}`,
      right: [String(n), `${n} ${unit}`, `${n} ${name}`, `${n}\\,\\mathrm{${unit}}`, `${n}~\\text{${unit}}`],
      wrong: [String(n + 1), `${n} ${other}`, `${n}\\text{ ${other}}`, `${n}${n}`, `${n + 1} ${unit}`],
    };
  },
  area: (d) => {
    const n = d.integer(2, 90);
    return {
      gold: `${n}\\text{ cm}^2`,
      right: [`${n}`, `${n} cm²`, `${n} square centimeters`, `${n}\\ \\text{cm}^{2}`, `${n} cm^2`],
      wrong: [`${n} cm`, `${n} cm^3`, `${n * n}`, `${n + 2}\\text{ cm}^2`, `${n} m^2`],
    };
  },
  'words after it': (d) => {
    const [n, [word, other]] = [
      d.integer(2, 60),
      d.pick([
        ['apples', 'pears'],
        ['students', 'teachers'],
        ['minutes', 'hours'],
        ['boys', 'girls'],
      ] as const),
    ];
    return {
      gold: `${n}\\text{ ${word}}`,
      right: [String(n), `${n} ${word}`, `${n}\\text{ ${word}}`],
      wrong: [String(n + 1), `${n} ${other}`, `${n - 1} ${word}`],
    };
  },
  money: (d) => {
    const [n, cents] = [d.integer(1, 9000), d.integer(10, 99)];
    const text = `${n}.${cents}`;
    return {
      gold: `\\$${text}`,
      right: [text, `$${text}`, `${text} dollars`, `\\$${grouped(n, ',')}.${cents}`],
      wrong: [`\\$${n}`, `€${text}`, `${text} cents`, `\\$${n + 1}.${cents}`, `\\$${n}${cents}`],
    };
  },
  degrees: (d) => {
    const n = d.other(1, 359, 180);
    const k = gcd(n, 180);
    return {
      gold: `${n}^\\circ`,
      right: [String(n), `${n}°`, `${n} degrees`, `${n}^{\\circ}`, `\\frac{${n / k}\\pi}{${180 / k}}`],
      wrong: [
        `${n + 1}°`,
        `${180 - n === n ? n + 2 : 180 - n}^\\circ`,
        `${n}\\pi`,
        `\\frac{\\pi}{${n + 200}}`,
      ],
    };
  },
  base: (d) => {
    const base = d.integer(5, 9);
    const digits = [d.integer(1, 4), d.integer(0, 4), d.integer(0, 4)].join('');
    return {
      gold: `${digits}_{${base}}`,
      right: [`${digits}_${base}`, digits, `${digits}_{${base}}`],
      wrong: [
        `${digits}_{${base === 9 ? 8 : base + 1}}`,
        `${digits}1_{${base}}`,
        `${Number(digits) + 1}`,
        `${digits}0`,
      ],
    };
  },
  ratio: (d) => {
    const [p, q] = d.fraction();
    const k = d.integer(2, 4);
    return {
      gold: `${p}:${q}`,
      right: [`${p} : ${q}`, `${p * k}:${q * k}`, `\\frac{${p}}{${q}}`, `${p}/${q}`],
      wrong: [`${q}:${p}`, `${p}:${q + 1}`, String(p), `${p + q}:${q}`],
    };
  },
};

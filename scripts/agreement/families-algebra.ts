/** Formulas: polynomials, rational functions, identities. */
import { factor, signed } from './draw.ts';
import type { Family } from './families.ts';

export const ALGEBRA: Readonly<Record<string, Family>> = {
  quadratic: (d) => {
    const x = d.letter();
    const [p, q] = [d.other(-9, 9, 0), d.other(-9, 9, 0)];
    const sum = p + q;
    const middle = sum === 0 ? '' : ` ${sum < 0 ? '-' : '+'} ${factor(Math.abs(sum))}${x}`;
    return {
      gold: `${x}^2${middle} ${signed(p * q)}`,
      right: [
        `(${x} ${signed(p)})(${x} ${signed(q)})`,
        `${p * q} + ${x}²${middle}`,
        `${x}^{2}${middle} ${signed(p * q)}`,
        `${x}(${x} ${signed(sum === 0 ? 1 : sum)})${sum === 0 ? ` - ${x}` : ''} ${signed(p * q)}`,
      ],
      wrong: [
        `(${x} ${signed(p)})(${x} ${signed(q + 1)})`,
        `${x}^2${middle} ${signed(p * q + 1)}`,
        `${x}^3${middle} ${signed(p * q)}`,
        `-${x}^2${middle} ${signed(p * q)}`,
      ],
    };
  },
  polynomial: (d) => {
    const n = d.letter();
    const [a, b, c] = [d.integer(2, 9), d.integer(2, 9), d.integer(1, 9)];
    return {
      gold: `${a}${n}^3 - ${b}${n} + ${c}`,
      right: [
        `${c} - ${b}${n} + ${a}${n}^3`,
        `${n}(${a}${n}^2 - ${b}) + ${c}`,
        `${a}${n}³-${b}${n}+${c}`,
        `${a}*${n}^3 - ${b}*${n} + ${c}`,
      ],
      wrong: [
        `${a}${n}^3 + ${b}${n} + ${c}`,
        `${a}${n}^2 - ${b}${n} + ${c}`,
        `${a}${n}^3 - ${b}${n} - ${c}`,
        `${a + 1}${n}^3 - ${b}${n} + ${c}`,
      ],
    };
  },
  'several variables': (d) => {
    const [a, b] = [d.integer(2, 9), d.integer(2, 9)];
    const [x, y] = d.pick([
      ['x', 'y'],
      ['a', 'b'],
      ['m', 'n'],
      ['p', 'q'],
    ] as const);
    return {
      gold: `${a}${x}^2${y} - ${b}${x}${y}^2`,
      right: [
        `${x}${y}(${a}${x} - ${b}${y})`,
        `-${b}${y}^2${x} + ${a}${x}^{2}${y}`,
        `${a}${x}²${y}-${b}${x}${y}²`,
      ],
      wrong: [
        `${a}${x}^2${y} + ${b}${x}${y}^2`,
        `${b}${x}^2${y} ${a === b ? '+' : '-'} ${a}${x}${y}^2`,
        `${x}${y}(${a}${x} - ${b + 1}${y})`,
        `${a}${x}${y}^2 ${a === b ? '+' : '-'} ${b}${x}^2${y}`,
      ],
    };
  },
  'rational function': (d) => {
    const x = d.letter();
    const [p, q] = [d.integer(1, 5), d.integer(6, 9)];
    return {
      gold: `\\frac{1}{${x}+${p}} + \\frac{1}{${x}+${q}}`,
      right: [
        `\\frac{2${x}+${p + q}}{(${x}+${p})(${x}+${q})}`,
        `(2${x}+${p + q})/((${x}+${p})(${x}+${q}))`,
        `1/(${x}+${q}) + 1/(${x}+${p})`,
      ],
      wrong: [
        `\\frac{2}{2${x}+${p + q}}`,
        `\\frac{${p + q}}{(${x}+${p})(${x}+${q})}`,
        `\\frac{1}{${x}+${p}} - \\frac{1}{${x}+${q}}`,
      ],
    };
  },
  'power of a variable': (d) => {
    const x = d.letter();
    const [p, q] = [d.integer(1, 5), d.pick([2, 3, 5])];
    const exponent = p % q === 0 ? p + 1 : p;
    return {
      gold: `${x}^{${exponent}/${q}}`,
      right: [
        `\\sqrt[${q}]{${x}^{${exponent}}}`,
        `${x}^(${exponent}/${q})`,
        `${x}^{\\frac{${exponent}}{${q}}}`,
      ],
      wrong: [
        `${x}^{${q}/${exponent + q}}`,
        `${x}^{${exponent}}`,
        `\\frac{${x}^{${exponent}}}{${q}}`,
        `${x}^{-${exponent}/${q}}`,
      ],
    };
  },
  trigonometry: (d) => {
    const x = d.pick(['x', '\\theta', '\\alpha']);
    const k = d.integer(2, 9);
    return d.pick([
      {
        gold: `${k}\\sin 2${x}`,
        right: [`${2 * k}\\sin ${x}\\cos ${x}`, `${k}\\sin(2${x})`],
        wrong: [`${k}\\sin ${x}\\cos ${x}`, `${2 * k}\\sin ${x}`, `${k}\\cos 2${x}`],
      },
      {
        gold: `${k}\\cos^2 ${x}`,
        right: [`${k}(1-\\sin^2 ${x})`, `${k} - ${k}\\sin^2 ${x}`, `${k}(\\cos ${x})^2`],
        wrong: [`${k}\\cos ${x}`, `${k}\\cos(${x}^2)`, `${k}\\sin^2 ${x}`],
      },
      {
        gold: `${k}\\tan ${x}`,
        right: [`\\frac{${k}\\sin ${x}}{\\cos ${x}}`, `\\frac{${k}}{\\cot ${x}}`],
        wrong: [`${k}\\cot ${x}`, `\\frac{${k}\\cos ${x}}{\\sin ${x}}`, `\\tan ${k}${x}`],
      },
    ]);
  },
  'exact trigonometric value': (d) => {
    const [angle, degrees, value, other] = d.pick([
      ['\\frac{\\pi}{6}', 30, '\\frac{1}{2}', '\\frac{\\sqrt{3}}{2}'],
      ['\\frac{\\pi}{4}', 45, '\\frac{\\sqrt{2}}{2}', '\\sqrt{2}'],
      ['\\frac{\\pi}{3}', 60, '\\frac{\\sqrt{3}}{2}', '\\frac{1}{2}'],
      ['\\frac{\\pi}{12}', 15, '\\frac{\\sqrt{6}-\\sqrt{2}}{4}', '\\frac{\\sqrt{6}+\\sqrt{2}}{4}'],
    ] as const);
    return {
      gold: value,
      right: [
        `\\sin ${angle}`,
        `\\sin ${degrees}^\\circ`,
        `sin(${degrees}°)`,
        `\\cos ${90 - degrees}^{\\circ}`,
      ],
      wrong: [other, `\\tan ${angle}`, `-\\sin ${angle}`, `\\sin ${degrees + 1}^\\circ`],
    };
  },
  exponential: (d) => {
    const [a, b] = [d.integer(2, 9), d.integer(2, 9)];
    return {
      gold: `${a}e^{${b}x}`,
      right: [`${a}\\cdot e^{${b}x}`, `${a}(e^x)^{${b}}`, `${a}\\exp(${b}x)`, `\\frac{${a}}{e^{-${b}x}}`],
      wrong: [`${a}e^{-${b}x}`, `${a}e^{x+${b}}`, `${a + 1}e^{${b}x}`, `(${a}e)^{${b}x}`],
    };
  },
  logarithms: (d) => {
    const k = d.integer(2, 9);
    return {
      gold: `${k}\\ln x - \\ln y`,
      right: [`\\ln\\frac{x^{${k}}}{y}`, `-\\ln(y) + ${k}\\ln(x)`, `\\ln(x^{${k}}/y)`],
      wrong: [
        `\\ln(${k}x - y)`,
        `\\frac{${k}\\ln x}{\\ln y}`,
        `${k}\\ln x + \\ln y`,
        `${k + 1}\\ln x - \\ln y`,
      ],
    };
  },
  'absolute value': (d) => {
    const a = d.integer(1, 9);
    return {
      gold: `|x-${a}|`,
      right: [`|${a}-x|`, `\\left|x-${a}\\right|`, `\\lvert ${a} - x\\rvert`],
      wrong: [`x-${a}`, `|x+${a}|`, `${a}-x`, `|x|-${a}`],
    };
  },
  floor: (d) => {
    const [whole, part] = [d.integer(2, 20), d.integer(1, 9)];
    return {
      gold: String(whole),
      right: [
        `\\lfloor ${whole}.${part} \\rfloor`,
        `\\lceil ${whole - 1}.${part} \\rceil`,
        `⌊${whole}.${part}⌋`,
      ],
      wrong: [
        `\\lceil ${whole}.${part} \\rceil`,
        `${whole}.${part}`,
        `\\lfloor ${whole - 1}.${part} \\rfloor`,
      ],
    };
  },
};

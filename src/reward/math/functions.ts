/** The elementary functions on approximate complex numbers, by their MathJSON names; principal branches. */
import {
  type Approximate,
  approximate,
  exponential,
  logarithm,
  negative,
  over,
  plus,
  squareRoot,
  times,
} from './approximate.ts';

type Fn = (z: Approximate) => Approximate | undefined;

const ONE = approximate(1);
const TWO = approximate(2);
const I = approximate(0, 1);
const HALF_PI = approximate(Math.PI / 2);

/** A function that is computed directly for real arguments of its domain, and by a formula elsewhere. */
function fromReal(
  real: (x: number) => number,
  slope: (x: number) => number,
  elsewhere: Fn,
  inDomain: (x: number) => boolean = () => true,
): Fn {
  return (z) => {
    if (z.im === 0 && inDomain(z.re)) {
      const value = approximate(real(z.re));
      const carried = Math.abs(slope(z.re)) * z.error;
      // At the edge of a domain the slope is infinite; the error is then like a root's.
      const error = Number.isFinite(carried) ? carried : Math.sqrt(z.error);
      return { ...value, error: value.error + error + Number.EPSILON, leftReals: z.leftReals };
    }
    const value = elsewhere(z);
    return value && { ...value, leftReals: value.leftReals || (z.im === 0 && value.im !== 0) };
  };
}

function then(f: Fn, g: Fn): Fn {
  return (z) => {
    const inner = g(z);
    return inner && f(inner);
  };
}

const reciprocal: Fn = (z) => over(ONE, z);

function quotientOf(numerator: Fn, denominator: Fn): Fn {
  return (z) => {
    const [top, bottom] = [numerator(z), denominator(z)];
    return top && bottom && over(top, bottom);
  };
}

const inHalves = (sign: 1 | -1): Fn => {
  return (z) => {
    const [rising, falling] = [exponential(z), exponential(negative(z))];
    return over(plus(rising, sign === 1 ? falling : negative(falling)), TWO);
  };
};
const sinh = fromReal(Math.sinh, Math.cosh, inHalves(-1));
const cosh = fromReal(Math.cosh, Math.sinh, inHalves(1));
const sin = fromReal(Math.sin, Math.cos, (z) => {
  const value = sinh(times(I, z));
  return value && over(value, I);
});
const cos = fromReal(Math.cos, Math.sin, (z) => cosh(times(I, z)));
const tan = quotientOf(sin, cos);
const tanh = quotientOf(sinh, cosh);

/** sqrt(1 - z^2) */
const complement: Fn = (z) => squareRoot(plus(ONE, negative(times(z, z))));
const withinOne = (x: number) => Math.abs(x) <= 1;
const slopeOfArcsin = (x: number) => 1 / Math.sqrt(1 - x * x);

const arcsin = fromReal(
  Math.asin,
  slopeOfArcsin,
  (z) => {
    const root = complement(z);
    const log = root && logarithm(plus(times(I, z), root));
    return log && over(log, I);
  },
  withinOne,
);
const arccos = fromReal(
  Math.acos,
  slopeOfArcsin,
  (z) => {
    const value = arcsin(z);
    return value && plus(HALF_PI, negative(value));
  },
  withinOne,
);
const arctan = fromReal(
  Math.atan,
  (x) => 1 / (1 + x * x),
  (z) => {
    const iz = times(I, z);
    const [below, above] = [logarithm(plus(ONE, negative(iz))), logarithm(plus(ONE, iz))];
    return below && above && times(over(I, TWO)!, plus(below, negative(above)));
  },
);
const arsinh = fromReal(
  Math.asinh,
  (x) => 1 / Math.hypot(1, x),
  (z) => logarithm(plus(z, squareRoot(plus(times(z, z), ONE)))),
);
const arcosh: Fn = (z) => {
  const roots = times(squareRoot(plus(z, negative(ONE))), squareRoot(plus(z, ONE)));
  return logarithm(plus(z, roots));
};
const artanh: Fn = (z) => {
  const [above, below] = [logarithm(plus(ONE, z)), logarithm(plus(ONE, negative(z)))];
  return above && below && over(plus(above, negative(below)), TWO);
};

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** Gamma(x + 1) for real x by Lanczos' approximation (g = 7, n = 9), good to about 13 digits. */
const factorialOf: Fn = (z) => {
  const x = z.re;
  if (z.im !== 0 || (x < 0 && Number.isInteger(x)) || x > 160 || x < -100) return undefined;
  if (x < -0.5) {
    // Reflection: x! (-x - 1)! = pi / sin(pi (x + 1)).
    const other = factorialOf(approximate(-x - 1));
    return other && widened(Math.PI / (Math.sin(Math.PI * (x + 1)) * other.re), z);
  }
  const base = x + 7.5;
  const series = LANCZOS.reduce(
    (sum, coefficient, i) => sum + (i === 0 ? coefficient : coefficient / (x + i)),
    0,
  );
  return widened(Math.sqrt(2 * Math.PI) * base ** (x + 0.5) * Math.exp(-base) * series, z);
};

function widened(value: number, z: Approximate): Approximate {
  const error = Math.abs(value) * (1e-12 + 6 * z.error);
  return { re: value, im: 0, error, leftReals: z.leftReals };
}

/** Functions of one argument. */
export const FUNCTIONS: ReadonlyMap<string, Fn> = new Map<string, Fn>([
  ['Sqrt', squareRoot],
  ['Exp', exponential],
  ['Ln', logarithm],
  ['Sin', sin],
  ['Cos', cos],
  ['Tan', tan],
  ['Cot', quotientOf(cos, sin)],
  ['Sec', then(reciprocal, cos)],
  ['Csc', then(reciprocal, sin)],
  ['Arcsin', arcsin],
  ['Arccos', arccos],
  ['Arctan', arctan],
  ['Arccot', then(arctan, reciprocal)],
  ['Arcsec', then(arccos, reciprocal)],
  ['Arccsc', then(arcsin, reciprocal)],
  ['Sinh', sinh],
  ['Cosh', cosh],
  ['Tanh', tanh],
  ['Coth', quotientOf(cosh, sinh)],
  ['Sech', then(reciprocal, cosh)],
  ['Csch', then(reciprocal, sinh)],
  ['Arsinh', arsinh],
  ['Arcosh', arcosh],
  ['Artanh', artanh],
  ['Factorial', factorialOf],
]);

/** What `\sin^{-1}` means, for the functions that have such a notation. */
export const INVERSES: ReadonlyMap<string, string> = new Map([
  ['Sin', 'Arcsin'],
  ['Cos', 'Arccos'],
  ['Tan', 'Arctan'],
  ['Cot', 'Arccot'],
  ['Sec', 'Arcsec'],
  ['Csc', 'Arccsc'],
  ['Sinh', 'Arsinh'],
  ['Cosh', 'Arcosh'],
  ['Tanh', 'Artanh'],
]);

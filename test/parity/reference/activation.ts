/** Float64 references of the elementwise operations, per value. */

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

export const swiglu = (gate: number, up: number): number => gate * sigmoid(gate) * up;

/** Derivatives of swiglu by gate and by up. */
export function swigluDerivatives(gate: number, up: number): [number, number] {
  const s = sigmoid(gate);
  return [up * s * (1 + gate * (1 - s)), gate * s];
}

export const gelu = (x: number): number => x * normalCdf(x);

export const geluDerivative = (x: number): number => normalCdf(x) + x * normalDensity(x);

const normalDensity = (x: number): number => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

/** Φ by its series x + x³/3 + x⁵/(3·5) + … times the density, whose terms have one sign: good to 1e-15. */
function normalCdf(x: number): number {
  if (Math.abs(x) > 9) return x < 0 ? 0 : 1;
  let term = x;
  let sum = x;
  for (let i = 3; Math.abs(term) > 1e-17 * Math.abs(sum); i += 2) {
    term *= (x * x) / i;
    sum += term;
  }
  return 0.5 + sum * normalDensity(x);
}

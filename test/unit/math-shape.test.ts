import { describe, expect, it } from 'vitest';
import { looksLikeMath } from '../../src/reward/math/shape.ts';

const MATHEMATICS = String.raw`2x+3 | x-1 | x+y | p - q | p-q | n(n+1) | a/b | x/2 | 3x | -x+1 | 2ab+c | (x+1)(x-1)
\sqrt{2} | √2 | 2√3 | sqrt(2)/2 | x^2 | x² | 2^{10} | \pi | 36\pi | 36π | 2pi | \frac{\pi}{2} | \frac{x}{2} | 3+4i | 5!
(1,2) | (2, 3) | [0,1) | [1,3] | (-\infty,3] | \{1,2\} | {1,2,3} | 1, 2, 3 | 3,5,7 | 1,-2 | -1, 1
x=5 | y = 2x + 1 | x<5 | x ≤ 3 | -1 < x < 2 | x in (1,2) | 1 \pm \sqrt{19} | \begin{pmatrix}1\\2\end{pmatrix}
\cot x | sin(x) | \log_2 3 | e^x | |x-1| | 4210_{5} | \infty | ∞ | \mathbb{R} | \emptyset | \binom{5}{2}
1:3 | 16:9 | 2 : 3 : 5 | (0,0),(1,1) | (0,0) and (1,1) | 8 and 12 | 8\text{ and }12 | \frac{-1}{2}
all real numbers | \text{no solution} | No real solutions`;
const PLAIN = String.raw`5 | -5 | 3.14 | 1,000 | 1,000,000 | $32,348 | \$32,348 | 50% | 50\% | 1/2 | \frac{1}{2} | \frac12
1\frac{1}{2} | 1 1/2 | 5 cm | 5\text{ cm} | 5 m/s | 12 cm^2 | 12\text{ cm}^2 | 30^\circ | 30° | 90 degrees | 1.5e3
3 x 10^5 | 3\times 10^5 | 3:45 | 12:30 | 6:30 p.m. | Route 66 | June 20 | New York | B | (B) | \text{B} | \text{Evelyn} | cat
a red ball | yes | True | 12 students | 10-12 | 2023-05-06 | 05/06/2023 | 3D | T-shirt | A, B | Mr. Smith | AT&T
well-known | R2-D2 | 5km | 10 pm | x | COVID-19 | and/or | km/h | N/A | 24/7 | A-1 | No. 5 | Paris, France | H2O | x-ray | 1st`;

function words(text: string): string[] {
  return text.split(/ \| |\n/);
}

describe('looksLikeMath', () => {
  it.each(words(MATHEMATICS))('%s is mathematics', (text) => {
    expect(looksLikeMath(text)).toBe(true);
    expect(looksLikeMath(`$${text}$`)).toBe(true);
  });

  it.each(words(PLAIN))('%s is not', (text) => {
    expect(looksLikeMath(text)).toBe(false);
  });

  it('is linear in the length', () => {
    const start = performance.now();
    for (const piece of ['(', 'a+', '1,', '\\frac{1', '{', '1e', 'x ']) looksLikeMath(piece.repeat(200_000));
    // A second is far above the tenth that it takes, far below what a quadratic pattern would.
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { agreementPairs, type Pair } from '../../scripts/agreement/pairs.ts';
import { verifyMath } from '../../src/reward/verify/math.ts';

const CONTEXT = { where: 'rows.jsonl:1', problem: '', tolerance: 0, iouThreshold: null };
/** The bar for generated pairs. */
const MIN_RIGHT = 0.99;
const SEEDS = [1, 2, 3];

function isRight({ answer, gold }: Pair): boolean {
  return verifyMath(answer, gold, CONTEXT).score === 1;
}

describe('pairs that are known by construction', () => {
  it.each(SEEDS)('seed %i: judged right, and no false positive', (seed) => {
    const pairs = agreementPairs(seed);
    const mistaken = pairs.filter((pair) => isRight(pair) !== pair.label);
    expect(pairs.length).toBeGreaterThanOrEqual(2400);
    expect(pairs.filter(({ label }) => label)).toHaveLength(pairs.length / 2);
    expect(1 - mistaken.length / pairs.length).toBeGreaterThanOrEqual(MIN_RIGHT);
    expect(mistaken.filter(({ label }) => !label)).toEqual([]);
  });

  it('the committed verdicts of math-verify belong to seed 1', () => {
    const file = new URL('../golden/agreement/math-verify.tsv', import.meta.url);
    const rows = readFileSync(file, 'utf8').trimEnd().split('\n');
    const columns = rows.map((row) => row.split('\t'));
    expect(
      columns.map(([label, , family, gold, answer]) => [label === 'right', family, gold, answer]),
    ).toEqual(agreementPairs(1).map(({ label, family, gold, answer }) => [label, family, gold, answer]));
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { verifyMath } from '../../src/reward/verify/math.ts';

const FOLDER = new URL('../golden/agreement/', import.meta.url);
const CONTEXT = { where: 'rows.jsonl:1', problem: '', tolerance: 0, iouThreshold: null };

/** The pairs of a table of lines "gold @ answer". */
function pairs(name: string): [gold: string, answer: string][] {
  const lines = readFileSync(new URL(name, FOLDER), 'utf8').split('\n');
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [gold, answer] = line.split(' @ ');
      if (gold === undefined || answer === undefined) throw new Error(`no pair: ${line}`);
      return [gold, answer];
    });
}

describe('right answers', () => {
  it.each(pairs('right.txt'))('%s: %s', (gold, answer) => {
    expect(verifyMath(answer, gold, CONTEXT)).toEqual({ score: 1 });
  });

  it('every gold answer is right by itself', () => {
    const golds = [...pairs('right.txt'), ...pairs('wrong.txt')].map(([gold]) => gold);
    expect(golds.filter((gold) => verifyMath(gold, gold, CONTEXT).score !== 1)).toEqual([]);
  });
});

describe('wrong answers', () => {
  it.each(pairs('wrong.txt'))('%s: %s', (gold, answer) => {
    expect(verifyMath(answer, gold, CONTEXT).score).toBe(0);
  });
});

import { afterEach, describe, expect, it } from 'vitest';
import { type Check, Checker } from '../../src/reward/checker.ts';
import { DataError } from '../../src/util/errors.ts';

const checkers: Checker[] = [];
afterEach(async () => {
  await Promise.all(checkers.splice(0).map((checker) => checker.close()));
});

function open(timeoutMs = 200): Checker {
  const checker = new Checker(timeoutMs);
  checkers.push(checker);
  return checker;
}

function number(extracted: string, ...golds: string[]): Check {
  const context = { where: 'a:1', problem: '', tolerance: 0, iouThreshold: null };
  return { verifier: 'number', extracted, golds, context };
}

/** Two long lists of boxes that lie on each other: some 25 milliseconds of comparing. */
function slow(): Check {
  const boxes = Array.from({ length: 200 }, (_, i) => ({ bbox_2d: [i, i, i + 100, i + 100], label: 'cat' }));
  const text = JSON.stringify(boxes);
  return { ...number(text, text), verifier: 'detection' };
}

describe('Checker', () => {
  it('gives each check its own verdict, however many wait', async () => {
    const checker = open();
    const verdicts = await Promise.all(
      Array.from({ length: 300 }, (_, i) => checker.check(number(String(i), String(i - (i % 3))))),
    );
    expect(verdicts.map(({ score }) => score)).toEqual(verdicts.map((_, i) => (i % 3 === 0 ? 1 : 0)));
    expect(checker.stopped).toBe(0);
  });

  it('takes the best of several gold answers', async () => {
    const checker = open();
    expect(await checker.check(number('8', '7', '8', '9'))).toEqual({ score: 1 });
    expect((await checker.check(number('6', '7', '8'))).score).toBe(0);
  });

  it('rejects with the gold answer that cannot be used, and goes on', async () => {
    const checker = open();
    await expect(checker.check(number('8', 'a cat'))).rejects.toThrow(DataError);
    await expect(checker.check(number('8', 'a cat'))).rejects.toThrow(/a:1[^]*"a cat"/);
    expect(await checker.check(number('8', '8'))).toEqual({ score: 1 });
  });

  it('stops a check that takes too long, says so, and goes on in a new thread', async () => {
    const checker = open(5);
    const [verdict, other] = await Promise.all([checker.check(slow()), open(2000).check(slow())]);
    expect(verdict).toEqual({ score: 0, note: 'not verified: took more than 5 ms' });
    expect(other).toEqual({ score: 1 });
    expect(checker.stopped).toBe(1);
    const [again, known] = await Promise.all([checker.check(slow()), open().check(number('8', '8'))]);
    expect(again.score).toBe(0);
    expect(known).toEqual({ score: 1 });
    expect(checker.stopped).toBe(2);
  });

  it('counts computing time only: starting a thread takes longer than this limit', async () => {
    const start = performance.now();
    const checker = open(40);
    expect(await checker.check(number('8', '8'))).toEqual({ score: 1 });
    expect(performance.now() - start).toBeGreaterThan(40);
    // A busy main thread cannot hear of the verdict in time.
    const check = checker.check(number('8', '8'));
    const busyUntil = performance.now() + 120;
    while (performance.now() < busyUntil);
    expect(await check).toEqual({ score: 1 });
    expect(checker.stopped).toBe(0);
  });

  it('rejects what is left when it is closed', async () => {
    const checker = open();
    const checks = Array.from({ length: 5 }, () => checker.check(number('8', '8')));
    const settled = Promise.allSettled(checks);
    await checker.close();
    for (const { status } of await settled) expect(status).toBe('rejected');
  });
});

import { describe, expect, it } from 'vitest';
import type { Assessment } from '../../src/reward/assessor.ts';
import { FailureWatch } from '../../src/reward/failure-watch.ts';
import { ServiceError } from '../../src/util/errors.ts';

const good = (count: number): Assessment[] => Array.from({ length: count }, () => ({ score: 0 }));
const failed = (count: number): Assessment[] =>
  Array.from({ length: count }, (_, i) => ({ score: null, note: `503 number ${i + 1}` }));

describe('FailureWatch', () => {
  it('stops when more than the allowed share failed, with the reason of the last failure', () => {
    const watch = new FailureWatch(0.1);
    watch.add([...good(36), ...failed(4)]);
    expect(() => watch.add(failed(1))).toThrow(ServiceError);
    expect(() => watch.check()).toThrow(/latest 41[^]*5 failed; the last one: 503 number 1/);
  });

  it('waits for enough assessments, unless it is asked', () => {
    const watch = new FailureWatch(0.1);
    watch.add(failed(39));
    expect(() => watch.check()).toThrow(/39 failed/);
    expect(() => watch.add(good(1))).toThrow(/39 failed/);
  });

  it('notices an outage after a long good time, and forgets one that is over', () => {
    const watch = new FailureWatch(0.5);
    watch.add(good(1000));
    watch.add(failed(100));
    expect(() => watch.add(failed(1))).toThrow(/101 failed/);
    watch.add(good(200));
    expect(() => watch.check()).not.toThrow();
  });

  it('allows every failure at a share of 1, and none at 0', () => {
    const all = new FailureWatch(1);
    all.add(failed(100));
    expect(() => all.check()).not.toThrow();
    const none = new FailureWatch(0);
    none.add(good(10));
    expect(() => none.check()).not.toThrow();
    none.add(failed(1));
    expect(() => none.check()).toThrow(/1 failed/);
  });
});

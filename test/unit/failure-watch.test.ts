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
    expect(() => watch.finish()).toThrow(/latest 41[^]*5 failed; the last one: 503 number 1/);
  });

  it('takes no share of a few, and stops when every one of five failed, or of any number at the end', () => {
    const few = new FailureWatch(0.1);
    few.add([...good(1), ...failed(38)]);
    expect(() => few.finish()).not.toThrow();
    expect(() => few.add(good(1))).toThrow(/38 failed/);
    const none = new FailureWatch(0.1);
    none.add(failed(4));
    expect(() => none.finish()).toThrow(/4 failed/);
    expect(() => none.add(failed(1))).toThrow(/5 failed/);
    expect(() => new FailureWatch(0.1).finish()).not.toThrow();
  });

  it('notices an outage after a long good time, and forgets one that is over', () => {
    const watch = new FailureWatch(0.5);
    watch.add(good(1000));
    watch.add(failed(100));
    expect(() => watch.add(failed(1))).toThrow(/101 failed/);
    watch.add(good(200));
    expect(() => watch.finish()).not.toThrow();
  });

  it('allows every failure at a share of 1, and none of many at 0', () => {
    const all = new FailureWatch(1);
    all.add(failed(10));
    all.add(failed(100));
    expect(() => all.finish()).not.toThrow();
    const none = new FailureWatch(0);
    none.add(good(40));
    expect(() => none.finish()).not.toThrow();
    expect(() => none.add(failed(1))).toThrow(/1 failed/);
  });
});

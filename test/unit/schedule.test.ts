import { describe, expect, it } from 'vitest';
import { type Placements, Schedule, type ScheduledRequest } from '../../src/rollout/schedule.ts';
import { ShapeError } from '../../src/util/errors.ts';
import { RandomStream } from '../../src/util/random.ts';

function requests(...sizes: [rows: number, count: number][]): ScheduledRequest[] {
  return sizes.map(([rows, count]) => ({ rows, count }));
}

const started = ({ responses }: Placements) =>
  responses.map(({ slot, request, response }) => [slot, request, response]);
const computed = ({ prompts }: Placements) => prompts.map(({ request, firstRow }) => [request, firstRow]);

describe('Schedule', () => {
  it('gives a slot that becomes free to the next response at once', () => {
    const schedule = new Schedule(requests([10, 3], [20, 2]), 2, 100);
    const first = schedule.fill();
    expect(started(first)).toEqual([
      [0, 0, 0],
      [1, 0, 1],
    ]);
    // The second prompt has room, and is computed with the first.
    expect(computed(first)).toEqual([
      [0, 0],
      [1, 10],
    ]);
    expect(schedule.fill()).toEqual({ prompts: [], responses: [] });
    expect(schedule.end(1)).toBeUndefined();
    expect(started(schedule.fill())).toEqual([[1, 0, 2]]);
    expect(schedule.end(1)).toBeUndefined();
    expect(schedule.end(0)).toBe(0);
    expect(started(schedule.fill())).toEqual([
      [0, 1, 0],
      [1, 1, 1],
    ]);
    schedule.end(0);
    expect(schedule.isDone).toBe(false);
    expect(schedule.end(1)).toBe(1);
    expect(schedule.isDone).toBe(true);
  });

  it('lets a prompt wait until there is room, and takes the rows of those that are done', () => {
    const schedule = new Schedule(requests([60, 1], [30, 1], [50, 1], [10, 1]), 4, 100);
    expect(computed(schedule.fill())).toEqual([
      [0, 0],
      [1, 60],
    ]);
    // Rows 60 to 90 are in use: 50 fit before them only.
    expect(schedule.end(0)).toBe(0);
    expect(computed(schedule.fill())).toEqual([
      [2, 0],
      [3, 50],
    ]);
    expect(schedule.running.size).toBe(3);
  });

  it('skips requests for nothing, and is done when there are none', () => {
    const schedule = new Schedule(requests([10, 0], [10, 1], [10, 0]), 1, 10);
    expect(started(schedule.fill())).toEqual([[0, 1, 0]]);
    expect(schedule.end(0)).toBe(1);
    expect(schedule.isDone).toBe(true);
    expect(new Schedule([], 1, 10).isDone).toBe(true);
  });

  it('refuses a prompt that can never fit', () => {
    expect(() => new Schedule(requests([11, 1]), 1, 10)).toThrow(ShapeError);
  });

  it('ends every response once, in slots and rows of its own, whatever their order', () => {
    const random = new RandomStream(5, 'schedule');
    for (let round = 0; round < 50; round++) {
      const asked = Array.from({ length: 12 }, () => ({
        rows: 1 + random.integer(40),
        count: random.integer(5),
      }));
      const schedule = new Schedule(asked, 1 + random.integer(6), 40 + random.integer(60));
      const rows = new Map<number, readonly [number, number]>();
      const done = new Set<number>();
      const seen = new Set<string>();
      while (!schedule.isDone) {
        const placements = schedule.fill();
        for (const { request, firstRow } of placements.prompts) {
          const own = [firstRow, firstRow + asked[request]!.rows] as const;
          for (const [start, end] of rows.values()) expect(own[1] <= start || own[0] >= end).toBe(true);
          rows.set(request, own);
        }
        for (const { request, response, firstRow } of placements.responses) {
          expect(rows.get(request)![0]).toBe(firstRow);
          const key = `${request} ${response}`;
          expect(seen.has(key)).toBe(false);
          seen.add(key);
        }
        const slots = [...schedule.running.keys()];
        expect(slots.length).toBeGreaterThan(0);
        const request = schedule.end(slots[random.integer(slots.length)]!);
        if (request !== undefined) {
          rows.delete(request);
          done.add(request);
        }
      }
      expect(seen.size).toBe(asked.reduce((sum, { count }) => sum + count, 0));
      expect(done.size).toBe(asked.filter(({ count }) => count > 0).length);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { verifyRelaxed } from '../../src/reward/verify/relaxed.ts';
import { cpuMsSince } from './cpu-time.ts';

function score(extracted: string, gold: string, problem = '', tolerance = 0): number {
  return verifyRelaxed(extracted, gold, { where: 'r:1', problem, tolerance, iouThreshold: null }).score;
}

describe('relaxed', () => {
  it.each([
    ['100', '100'],
    ['105', '100'],
    ['95', '100'],
    ['-95', '-100'],
    ['0.0105', '0.01'],
    ['1,020', '1000'],
    ['46%', '45'],
    ['46', '45%'],
    ['0.46', '45%'],
    ['3.1 million', '3,000,000'],
    ['Germany', 'Germany'],
    ['germany.', 'Germany'],
    ['The answer is Germany', 'Germany'],
    ['2010', '2010'],
    ['0', '0'],
    ['[1, 2]', '[1, 2]'],
    ['1.01, 2', '[1, 2]'],
    ['[Yes, 51]', '[Yes, 50]'],
    ['Q3 2010', 'Q3 2010'],
  ])('%j is %j', (extracted, gold) => {
    expect(score(extracted, gold)).toBe(1);
    expect(score(gold, gold)).toBe(1);
  });

  it.each([
    ['105.01', '100'],
    ['94.9', '100'],
    ['-100', '100'],
    ['0.001', '0'],
    ['0.45', '45'],
    ['50 kg', '50 m'],
    ['95 or 100', '100'],
    ['Germany', 'France'],
    ['Germanys', 'Germany'],
    ['2011', '2010'],
    ['[1, 3]', '[1, 2]'],
    ['[2, 1]', '[1, 2]'],
    ['[1, 2, 3]', '[1, 2]'],
    ['1', '[1, 2]'],
    ['Q3 2011', 'Q3 2010'],
    ['2010', 'Q3 2010'],
    ['', 'x'],
  ])('%j is not %j', (extracted, gold) => {
    expect(score(extracted, gold)).toBe(0);
  });

  it('is exact for years only', () => {
    expect(score('1980', '1950', 'How many people were asked?')).toBe(1);
    expect(score('1951', '1950', 'Which year had the highest value?')).toBe(0);
    expect(score('1501', '1500', 'In which year was it built?')).toBe(0);
    expect(score('1501', '1500')).toBe(1);
    expect(score('1,951', '1,950')).toBe(1);
    expect(score('1951 kg', '1950 kg')).toBe(1);
  });

  it("takes the context's tolerance", () => {
    expect(score('102', '100', '', 0.01)).toBe(0);
    expect(score('101', '100', '', 0.01)).toBe(1);
    expect(score('110', '100', '', 0.1)).toBe(1);
  });

  it('stays fast', () => {
    for (const part of ['[', '1, ', '[1, 2], ', '"', '1 or ']) {
      const hostile = part.repeat(2000 / part.length);
      for (const gold of ['[1, 2]', '6']) {
        const start = process.cpuUsage();
        expect(score(hostile, gold)).toBe(0);
        expect(cpuMsSince(start), part).toBeLessThan(50);
      }
    }
  });
});

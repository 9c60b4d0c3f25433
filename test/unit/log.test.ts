import { afterEach, describe, expect, it } from 'vitest';
import { formatLine, setLogLevel } from '../../src/util/log.ts';

afterEach(() => setLogLevel('info'));

describe('log lines', () => {
  it('name their level unless it is info, and end with a line break', () => {
    expect(formatLine('info', 'step 1')).toBe('step 1\n');
    expect(formatLine('warn', 'slow')).toBe('warn: slow\n');
    expect(formatLine('error', 'bad')).toBe('error: bad\n');
  });

  it('are dropped below the level', () => {
    expect(formatLine('debug', 'detail')).toBeUndefined();
    setLogLevel('debug');
    expect(formatLine('debug', 'detail')).toBe('debug: detail\n');
    setLogLevel('warn');
    expect(formatLine('info', 'step 1')).toBeUndefined();
    expect(formatLine('warn', 'slow')).toBe('warn: slow\n');
  });
});

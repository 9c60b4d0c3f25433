/** Plain log lines on standard error; standard output is kept for results. */

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LEVELS)[number];

let threshold: LogLevel = 'info';

/** Lines below this level are dropped. `--quiet` sets "warn". */
export function setLogLevel(level: LogLevel): void {
  threshold = level;
}

/** The line a level and a message make, or undefined when the level is below the threshold. */
export function formatLine(level: LogLevel, message: string): string | undefined {
  if (LEVELS.indexOf(level) < LEVELS.indexOf(threshold)) return undefined;
  return level === 'info' ? `${message}\n` : `${level}: ${message}\n`;
}

function write(level: LogLevel, message: string): void {
  const line = formatLine(level, message);
  if (line !== undefined) process.stderr.write(line);
}

export const log = {
  debug: (message: string): void => write('debug', message),
  info: (message: string): void => write('info', message),
  warn: (message: string): void => write('warn', message),
  error: (message: string): void => write('error', message),
};

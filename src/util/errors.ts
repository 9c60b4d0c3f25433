/**
 * Error classes. Every message says where, what was expected, what was found and what to do; the command
 * line turns the class into an exit code (0 done, 1 bug, 2 the user's input, 3 the GPU).
 */

export interface ErrorDetail {
  /** Where it happened: a file with its line, a tensor, a configuration key. */
  where: string;
  expected: string;
  found: string;
  /** What the reader can do about it. */
  fix?: string;
}

export abstract class WethinkError extends Error {
  abstract readonly exitCode: number;

  constructor(detail: ErrorDetail | string, options?: ErrorOptions) {
    super(typeof detail === 'string' ? detail : formatDetail(detail), options);
    this.name = new.target.name;
  }
}

/** A configuration key or a command-line argument is wrong. */
export class ConfigError extends WethinkError {
  readonly exitCode = 2;
}

/** A dataset, an image or another input file is wrong. */
export class DataError extends WethinkError {
  readonly exitCode = 2;
}

/** A model folder or a checkpoint is wrong. */
export class CheckpointError extends WethinkError {
  readonly exitCode = 2;
}

/** A service that the run depends on, such as the endpoint of a judge, does not answer as it should. */
export class ServiceError extends WethinkError {
  readonly exitCode = 2;
}

/** No adapter, a lost device, a validation error, memory over the budget. */
export class GpuError extends WethinkError {
  readonly exitCode = 3;
}

/** Two parts of this program disagree about a shape: a bug here, never the user's. */
export class ShapeError extends WethinkError {
  readonly exitCode = 1;
}

/** What an exception of any kind says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function formatDetail({ where, expected, found, fix }: ErrorDetail): string {
  const lines = [where, `  expected: ${expected}`, `  found:    ${found}`];
  if (fix) lines.push(`  fix:      ${fix}`);
  return lines.join('\n');
}

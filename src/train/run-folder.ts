/**
 * The folder of a run: `<save_checkpoint_path>/<project_name>/<experiment_name>`, with its configuration, its
 * metrics, its rollouts and its checkpoints (DESIGN: files).
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { resolvedYaml } from '../config/resolved.ts';
import type { Config } from '../config/schema.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { appendLine, cutTornLine, ensureWritableFolder, writeFileAtomic } from '../io/atomic.ts';
import { DataError } from '../util/errors.ts';

export type Metrics = Record<string, number>;

export class RunFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static pathOf({ trainer }: Config): string {
    return join(trainer.save_checkpoint_path, trainer.project_name, trainer.experiment_name);
  }

  /**
   * Opens the folder for a new run or, with `resume`, for the continuation of one.
   * @throws {DataError} when a new run would mix with an old one, or when nothing can be written
   */
  static async open(config: Config, resume: boolean): Promise<RunFolder> {
    const folder = new RunFolder(RunFolder.pathOf(config));
    if (!resume && existsSync(folder.metricsFile)) {
      throw new DataError({
        where: folder.path,
        expected: 'a new folder for a new run',
        found: 'the metrics of an earlier run',
        fix: 'add --resume to continue it, or choose another trainer.experiment_name',
      });
    }
    await ensureWritableFolder(folder.path);
    await mkdir(folder.rolloutFolder, { recursive: true });
    if (resume) await cutTornLine(folder.metricsFile);
    return folder;
  }

  get metricsFile(): string {
    return join(this.path, 'metrics.jsonl');
  }

  get rolloutFolder(): string {
    return join(this.path, 'rollouts');
  }

  /** Writes what identifies the run: its configuration and its environment. */
  async describe(config: Config, gpu: Gpu): Promise<void> {
    await writeFileAtomic(join(this.path, 'config.yaml'), resolvedYaml(config));
    const environment = {
      started: new Date().toISOString(),
      node: process.version,
      commit: currentCommit(),
      adapter: { kind: gpu.kind, name: gpu.name },
      seed: config.trainer.seed,
    };
    await writeFileAtomic(join(this.path, 'environment.json'), `${JSON.stringify(environment, null, 2)}\n`);
  }

  /** Appends one line of metrics. @throws {DataError} when a value is not a finite number */
  async appendMetrics(metrics: Metrics): Promise<void> {
    for (const [name, value] of Object.entries(metrics)) {
      if (!Number.isFinite(value)) {
        throw new DataError({ where: `metric ${name}`, expected: 'a finite number', found: String(value) });
      }
    }
    await appendLine(this.metricsFile, JSON.stringify(metrics));
  }

  /** Writes the rollouts of one step; `kind` tells training from validation. */
  async writeRollouts(kind: 'step' | 'val', step: number, rows: readonly object[]): Promise<void> {
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    await writeFileAtomic(join(this.rolloutFolder, `${stepName(step, kind)}.jsonl`), text);
  }
}

/** `step_000010` */
export function stepName(step: number, kind: 'step' | 'val' = 'step'): string {
  return `${kind}_${String(step).padStart(6, '0')}`;
}

/** The commit of the program, where it runs from a checkout. */
function currentCommit(): string | null {
  try {
    const options = {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'ignore'] as ('ignore' | 'pipe')[],
    };
    return execFileSync('git', ['rev-parse', 'HEAD'], options).toString().trim();
  } catch {
    return null;
  }
}

/**
 * Checkpoints: a step's folder holds the policy in Hugging Face (or PEFT) form, the optimizer's moments and the
 * counters from which everything else follows. It is written beside its place and renamed when whole.
 */
import { existsSync } from 'node:fs';
import { readFile, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../config/load.ts';
import { changedKeys, configHash } from '../config/resolved.ts';
import type { Config } from '../config/schema.ts';
import { writeFileAtomic, writeFolderAtomic } from '../io/atomic.ts';
import {
  ADAPTER_FILE,
  WEIGHTS_FILE,
  copyModelFiles,
  restoreTrainable,
  saveAdapter,
  saveWeights,
} from '../model/save.ts';
import { CheckpointError, ConfigError } from '../util/errors.ts';
import { RunFolder, stepName } from './run-folder.ts';
import type { Run } from './run.ts';

const stateSchema = z.object({
  step: z.int().positive(),
  /** Optimizer updates so far. */
  updates: z.int().nonnegative(),
  /** Where the sampler goes on. */
  sampler: z.strictObject({ epoch: z.int().nonnegative(), index: z.int().nonnegative() }),
  /** The best validation score so far. */
  best: z.number().nullable(),
  /** The commit of the model on the hub, whose branches may move while the run rests; null for a folder. */
  model_revision: z.string().nullable().default(null),
});

type SavedState = z.infer<typeof stateSchema>;
/** What the loop counts. */
export type TrainerState = Omit<SavedState, 'model_revision'>;

/** What may change between a checkpoint and its continuation without changing the run's course. */
const SAFE_TO_CHANGE =
  /^trainer\.(max_try_make_batch|val_freq|val_before_train|val_after_train|save_freq|save_limit|micro_batch_tokens|gpu\..*)$/;

const LENGTH_KEYS = ['trainer.max_steps', 'trainer.total_epochs'];

/** The reference policy, where it is not the start of the run (algorithm.sync_ref_model). */
const REFERENCE_FILE = 'reference.safetensors';
const OPTIMIZER_FILE = 'optimizer.safetensors';
const STATE_FILE = 'state.json';

/** Writes the step's folder, then moves `latest` (and `best`), then removes old folders. */
export async function saveCheckpoint(run: Run, state: TrainerState, isBest: boolean): Promise<string> {
  const { config, folder, policy, model, optimizer } = run;
  const name = stepName(state.step);
  const path = join(folder.path, name);
  await writeFolderAtomic(path, async (temporary) => {
    if (config.model.lora.rank > 0) await saveAdapter(model, temporary, config.model.lora, policy.source);
    else {
      await saveWeights(model, join(temporary, WEIGHTS_FILE));
      await copyModelFiles(policy.folder, temporary);
    }
    if (run.reference && config.algorithm.sync_ref_model) {
      await saveWeights(run.reference, join(temporary, REFERENCE_FILE));
    }
    await optimizer.save(join(temporary, OPTIMIZER_FILE));
    const { revision } = policy.source;
    const stored = {
      ...state,
      model_revision: revision,
      seed: config.trainer.seed,
      config_hash: configHash(config),
    };
    await writeFileAtomic(join(temporary, STATE_FILE), `${JSON.stringify(stored, null, 2)}\n`);
  });
  if (isBest) await writeFileAtomic(join(folder.path, 'best'), `${name}\n`);
  await writeFileAtomic(join(folder.path, 'latest'), `${name}\n`);
  await removeOld(folder.path, config.trainer.save_limit);
  return path;
}

/** Keeps the newest `limit` step folders, and the best. */
async function removeOld(folder: string, limit: number): Promise<void> {
  if (limit < 0) return;
  const best = await readPointer(folder, 'best');
  const steps = (await readdir(folder)).filter((name) => /^step_\d{6}$/.test(name)).sort();
  for (const name of steps.slice(0, -limit)) {
    if (name !== best) await rm(join(folder, name), { recursive: true });
  }
}

/**
 * Finds the checkpoint to continue from.
 * @param from `true` for the latest of the run, or a step's folder
 * @throws {CheckpointError} when there is none, or its state is damaged
 * @throws {ConfigError} naming the keys that differ from the run's configuration
 */
export async function findCheckpoint(
  config: Config,
  from: string | true,
): Promise<{ path: string; state: SavedState }> {
  const folder = RunFolder.pathOf(config);
  const latest = await readPointer(folder, 'latest');
  const path = from === true ? (latest === null ? null : join(folder, latest)) : from;
  if (path === null || !existsSync(join(path, STATE_FILE))) {
    throw new CheckpointError({
      where: path ?? folder,
      expected: 'a checkpoint of this run',
      found: path === null ? 'no file named latest' : `no ${STATE_FILE}`,
      fix: 'start without --resume, or name a step folder with --resume=DIR',
    });
  }
  await refuseChanges(config, folder);
  const parsed = stateSchema.safeParse(parseJson(await readFile(join(path, STATE_FILE), 'utf8')));
  if (!parsed.success) {
    throw new CheckpointError({
      where: join(path, STATE_FILE),
      expected: 'the state of a run',
      found: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '),
      fix: `resume from an earlier step: --resume=${folder}/step_…`,
    });
  }
  return { path, state: parsed.data };
}

/** Puts the policy, the optimizer and a reference that follows the policy back to where the checkpoint left them. */
export async function restoreCheckpoint(
  { config, model, reference, optimizer }: Run,
  path: string,
): Promise<void> {
  const weights = config.model.lora.rank > 0 ? ADAPTER_FILE : WEIGHTS_FILE;
  await restoreTrainable(model, join(path, weights));
  await optimizer.restore(join(path, OPTIMIZER_FILE));
  if (reference && config.algorithm.sync_ref_model) {
    await restoreTrainable(reference, join(path, REFERENCE_FILE));
  }
}

async function refuseChanges(config: Config, folder: string): Promise<void> {
  const file = join(folder, 'config.yaml');
  if (!existsSync(file)) return;
  const before = parseConfig(await readFile(file, 'utf8'), file);
  // A schedule that decays depends on the length of the run, and so does a warm-up that is a share of it.
  const { lr_scheduler_type: schedule, warmup_ratio: warmupRatio } = config.optim;
  const mayChangeLength = schedule === 'constant' && warmupRatio === 0;
  const changed = changedKeys(before, config).filter(
    (key) => !SAFE_TO_CHANGE.test(key) && !(mayChangeLength && LENGTH_KEYS.includes(key)),
  );
  if (changed.length > 0) {
    throw new ConfigError({
      where: file,
      expected: 'the configuration that the run was started with',
      found: `other values of ${changed.join(', ')}`,
      fix: 'undo the changes, or start a new run under another trainer.experiment_name',
    });
  }
}

async function readPointer(folder: string, name: string): Promise<string | null> {
  const path = join(folder, name);
  return existsSync(path) ? basename((await readFile(path, 'utf8')).trim()) : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

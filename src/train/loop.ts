/** A training run from start (or checkpoint) to end: steps, validation, checkpoints. */
import type { Config } from '../config/schema.ts';
import { DataError, ServiceError } from '../util/errors.ts';
import { gigabytes } from '../util/gigabytes.ts';
import { log } from '../util/log.ts';
import { findCheckpoint, restoreCheckpoint, saveCheckpoint, type TrainerState } from './checkpoint.ts';
import { isSaveDue, isValidationDue } from './due.ts';
import { Interrupt } from './interrupt.ts';
import { planMemory, type MemoryPlan } from './memory-plan.ts';
import { profiled } from './profile.ts';
import { reportStep } from './progress.ts';
import { ReplayedEpisodes } from './replay.ts';
import { SampledEpisodes, rolloutRow, type EpisodeSource } from './rollouts.ts';
import type { Metrics } from './run-folder.ts';
import { closeRun, openRun, type Run } from './run.ts';
import { trainStep } from './step.ts';
import { validate } from './validate.ts';

/** The first two steps compile kernels and record plans. */
const PROFILED_STEP = 3;

export interface TrainOptions {
  /** The configuration's file, for the command that continues an interrupted run. */
  configFile: string;
  /** `true`: the latest checkpoint; a path: that one. */
  resume?: string | true;
  /** Load everything, train nothing. */
  dryRun?: boolean;
  /** Time the kernels of one step, once all of them are compiled, and log them. */
  profile?: boolean;
}

export interface TrainSummary {
  folder: string;
  step: number;
  totalSteps: number;
  checkpoint: string | null;
  interrupted: boolean;
  /** GPU memory: the most that was in use, and what full prompts and responses would need; null where not planned. */
  peakBytes: number;
  plannedBytes: number | null;
  /** Validation before the first and after the last step, where configured. */
  before: Metrics | null;
  after: Metrics | null;
}

/** @throws {ConfigError} {DataError} {CheckpointError} {GpuError} */
export async function runTraining(config: Config, options: TrainOptions): Promise<TrainSummary> {
  const checkpoint = options.resume ? await findCheckpoint(config, options.resume) : null;
  const modelRevision = checkpoint?.state.model_revision ?? null;
  const plan = await planMemory(config, modelRevision);
  const run = await openRun(config, {
    rowsPerStep: config.data.rollout_batch_size,
    resume: checkpoint !== null,
    needsReference: config.algorithm.kl_coef > 0,
    rewardsTraining: true,
    modelRevision,
    ...(checkpoint ? { samplerState: checkpoint.state.sampler } : {}),
  });
  try {
    if (checkpoint) await restoreCheckpoint(run, checkpoint.path);
    const start = checkpoint?.state ?? { step: 0, updates: 0, sampler: run.sampler.state, best: null };
    announce(run, start.step, plan);
    const plannedBytes = plan.peakBytes;
    if (options.dryRun) return summary(run, start.step, { plannedBytes });
    await run.folder.describe(config, run.gpu);
    return { ...(await loop(run, start, options)), plannedBytes };
  } finally {
    await closeRun(run);
  }
}

async function loop(run: Run, start: TrainerState, options: TrainOptions): Promise<TrainSummary> {
  const { config, folder, totalSteps } = run;
  const { trainer, rollout } = config;
  const source: EpisodeSource =
    rollout.engine === 'replay'
      ? await ReplayedEpisodes.open(run, rollout.replay_file!)
      : new SampledEpisodes(run);
  using interrupt = new Interrupt();

  let { updates, best } = start;
  let before: Metrics | null = null;
  let after: Metrics | null = null;
  let checkpoint: string | null = null;
  if (run.valRows.length > 0 && trainer.val_before_train && start.step === 0) {
    before = await validate(run, 0);
    await folder.appendMetrics({ step: 0, ...before });
    log.info(`before training: held-out accuracy ${percent(before['val/accuracy_reward'])}`);
  }
  const startedAt = performance.now();
  let step = start.step;
  while (step < totalSteps && !interrupt.requested) {
    const reached = { step, updates, sampler: run.sampler.state, best };
    step += 1;
    const takeStep = () => trainStep(run, source, step, updates);
    const isProfiled = options.profile && step === start.step + PROFILED_STEP;
    const result = await (isProfiled ? profiled(run.gpu, takeStep) : takeStep()).catch(async (error) => {
      const isUnsaved = reached.step > start.step && !isSaveDue(run, reached.step);
      if (isUnsaved && isBeforeUpdate(error)) {
        log.info(`saved step ${reached.step}: ${await saveCheckpoint(run, reached, false)}`);
      }
      throw error;
    });
    updates = result.updates;
    // A function, because Ctrl-C may come at any time.
    const saves = () => isSaveDue(run, step) || interrupt.requested;
    let metrics = result.metrics;
    let isBest = false;
    if (isValidationDue(run, step)) {
      after = await validate(run, step);
      metrics = { ...metrics, ...after };
      // Not there when every assessment failed.
      const score = after['val/accuracy_reward'];
      // The best of those that are kept.
      isBest = saves() && score !== undefined && (best === null || score > best);
      if (isBest) best = score!;
    }
    await folder.writeRollouts(
      'step',
      step,
      result.groups.map((group) => rolloutRow(group, step)),
    );
    await folder.appendMetrics(metrics);
    reportStep(metrics, totalSteps, startedAt, start.step + 1);
    if (saves()) {
      checkpoint = await saveCheckpoint(run, { step, updates, sampler: run.sampler.state, best }, isBest);
    }
    await run.gpu.sync();
  }
  if (interrupt.requested) {
    log.info(`Stopped after step ${step}. To continue: wethink train ${options.configFile} --resume`);
  }
  return summary(run, step, { before, after, checkpoint, interrupted: interrupt.requested });
}

/** Data and services fail before a step changes any weight: what the steps before have reached is whole. */
function isBeforeUpdate(error: unknown): boolean {
  return error instanceof DataError || error instanceof ServiceError;
}

function announce(
  { gpu, policy, rows, valRows, folder, totalSteps }: Run,
  done: number,
  { peakBytes, limitBytes }: MemoryPlan,
): void {
  const trainable = policy.model.layers.trainable().reduce((sum, { tensor }) => sum + tensor.size, 0);
  log.info(`adapter   ${gpu.name} (${gpu.kind})`);
  const { name, revision } = policy.source;
  log.info(
    `model     ${name}${revision === null ? '' : `@${revision}`}: ${(trainable / 1e6).toFixed(2)} M trainable parameters`,
  );
  log.info(`data      ${rows.length} rows to train on, ${valRows.length} held out`);
  log.info(`memory    ${gigabytes(peakBytes)} at full length`);
  if (peakBytes > limitBytes) {
    log.warn(`that is more than trainer.gpu.memory_budget_gb; \`wethink doctor\` tells what would help`);
  }
  log.info(`run       ${folder.path}, steps ${done + 1} to ${totalSteps}`);
}

function summary(run: Run, step: number, rest: Partial<TrainSummary>): TrainSummary {
  const empty = { checkpoint: null, interrupted: false, plannedBytes: null, before: null, after: null };
  const { folder, totalSteps, gpu } = run;
  return { folder: folder.path, step, totalSteps, peakBytes: gpu.budget.peakBytes, ...empty, ...rest };
}

function percent(share: number | undefined): string {
  return share === undefined ? 'not known' : `${(share * 100).toFixed(1)} %`;
}

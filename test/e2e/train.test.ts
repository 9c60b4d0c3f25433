/** Training as a process: a killed run continues as if nothing had happened. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { makeDigits } from '../../scripts/make-digits.ts';
import { SafetensorsFile } from '../../src/io/safetensors.ts';
import { readRows, wethink } from './world.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const MINI = fileURLToPath(new URL('../../checkpoints/mini', import.meta.url));
const REWARD_MODEL = fileURLToPath(new URL('../../checkpoints/reward-mini', import.meta.url));
const ADAPTER = process.env['WETHINK_ADAPTER'] ?? 'embedded';
/** What differs between two runs of the same course. */
const TIMES = /^(timing_s|perf)\//;
const MIXUP_ALPHA = 0.6;
/** Two products of weights below 2 and their sum, in f32. */
const MIX_TOLERANCE = 3e-7;

let world: string;
beforeAll(async () => {
  world = await mkdtemp(join(tmpdir(), 'wethink-train-'));
  await makeDigits(join(world, 'digits'), { rows: { sft: 0, rl: 40, heldout: 16 } });
  const config = {
    model: { path: MINI },
    data: {
      train_files: 'digits/rl.jsonl',
      val_files: 'digits/heldout.jsonl',
      rollout_batch_size: 4,
      max_response_length: 14,
    },
    rollout: { n: 4 },
    reward: { model: { path: REWARD_MODEL, threshold: 0.5 } },
    algorithm: {
      kl_coef: 0.02,
      mini_batch_prompts: 2,
      num_iterations: 2,
      online_filtering: true,
      sync_ref_model: true,
      ref_model_mixup_alpha: MIXUP_ALPHA,
      ref_model_sync_steps: 6,
    },
    optim: { lr: 3e-4, warmup_steps: 4, lr_scheduler_type: 'cosine' },
    trainer: {
      max_steps: 12,
      val_freq: 4,
      save_freq: 6,
      save_checkpoint_path: 'runs',
      gpu: { adapter: ADAPTER },
    },
  };
  await writeFile(join(world, 'run.yaml'), stringify(config));
});
afterAll(() => rm(world, { recursive: true, force: true }));

const at = (...path: string[]): string => join(world, ...path);

async function metricsOf(run: string): Promise<Record<string, number>[]> {
  const text = await readFile(at('runs/wethink', run, 'metrics.jsonl'), 'utf8');
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>);
  // A step that was done again after a kill stands twice; the last one counts.
  const last = new Map(lines.map((metrics) => [metrics['step']!, metrics]));
  return [...last.values()].map((metrics) =>
    Object.fromEntries(Object.entries(metrics).filter(([name]) => !TIMES.test(name))),
  );
}

async function finalFiles(run: string, step: string): Promise<Buffer[]> {
  const names = ['model.safetensors', 'optimizer.safetensors', 'reference.safetensors'];
  return Promise.all(names.map((name) => readFile(at('runs/wethink', run, step, name))));
}

/** The counters of a step; the hash of the configuration differs with the experiment's name. */
async function stateOf(run: string, step: string): Promise<object> {
  const text = await readFile(at('runs/wethink', run, step, 'state.json'), 'utf8');
  return { ...(JSON.parse(text) as object), config_hash: null };
}

/** Starts a run and sends a signal when it has reported a step. @returns how it ended, and what it said */
async function signalAfter(
  run: string,
  step: string,
  signal: NodeJS.Signals,
): Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }> {
  const args = [MAIN, 'train', 'run.yaml', `trainer.experiment_name=${run}`];
  const child = spawn(process.execPath, args, { cwd: world });
  let stderr = '';
  return new Promise((resolve) => {
    child.stderr.on('data', (text: Buffer) => {
      const before = stderr.includes(step);
      stderr += text.toString();
      if (!before && stderr.includes(step)) child.kill(signal);
    });
    child.on('exit', (code, ended) => resolve({ code, signal: ended, stderr }));
  });
}

/** The f32 values of every tensor of a file in order. */
async function weightsOf(path: string): Promise<Float32Array[]> {
  await using file = await SafetensorsFile.open(path);
  const names = [...file.tensors.keys()].sort();
  return await Promise.all(names.map((name) => file.readF32(name)));
}

/** Fails unless each step trained on four groups whose prompts have numbers, and so random numbers, of their own. */
async function expectDistinctPrompts(steps: readonly Record<string, number>[]): Promise<void> {
  for (const { step, ['filter/generated_groups']: generated } of steps) {
    const file = at('runs/wethink/whole/rollouts', `step_${String(step).padStart(6, '0')}.jsonl`);
    const numbers = (await readRows<{ prompt_id: number }>(file)).map(({ prompt_id }) => prompt_id);
    expect(new Set(numbers).size).toBe(4);
    expect(Math.max(...numbers)).toBeLessThan(generated!);
  }
}

it('killed after step 6 of 12 and resumed: metrics and weights of the unbroken run', async () => {
  const whole = await wethink(world, 'train', 'run.yaml', 'trainer.experiment_name=whole');
  expect(whole.status, whole.stderr).toBe(0);
  const killed = await signalAfter('broken', 'step  7/12', 'SIGKILL');
  expect(killed.signal, killed.stderr).toBe('SIGKILL');
  expect(existsSync(at('runs/wethink/broken/step_000012'))).toBe(false);
  const resumed = await wethink(world, 'train', 'run.yaml', '--resume', 'trainer.experiment_name=broken');
  expect(resumed.status, resumed.stderr).toBe(0);

  const expected = await metricsOf('whole');
  expect(expected.map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  expect(await metricsOf('broken')).toEqual(expected);
  expect(await finalFiles('broken', 'step_000012')).toEqual(await finalFiles('whole', 'step_000012'));
  expect(await stateOf('broken', 'step_000012')).toEqual(await stateOf('whole', 'step_000012'));
  // The course is one of learning, not of zeros.
  expect(expected.some((metrics) => metrics['actor/grad_norm']! > 0 && metrics['actor/kl_loss']! > 0)).toBe(
    true,
  );
  // Filtering had to try again, at least in the part that was resumed.
  expect(expected.slice(6).some((metrics) => metrics['filter/num_try_make_batch']! > 1)).toBe(true);
  expect(expected.every((metrics) => metrics['filter/kept_groups']! >= 4)).toBe(true);
  await expectDistinctPrompts(expected);
});

it('mixes the policy into the reference in the steps of synchronisation', async () => {
  const folder = (step: string) => at('runs/wethink/whole', step);
  let reference = await weightsOf(join(MINI, 'model.safetensors'));
  for (const step of ['step_000006', 'step_000012']) {
    const policy = await weightsOf(join(folder(step), 'model.safetensors'));
    const mixed = await weightsOf(join(folder(step), 'reference.safetensors'));
    mixed.forEach((values, t) => {
      const difference = values.reduce((most, value, i) => {
        const expected = MIXUP_ALPHA * policy[t]![i]! + (1 - MIXUP_ALPHA) * reference[t]![i]!;
        return Math.max(most, Math.abs(value - expected));
      }, 0);
      expect(difference).toBeLessThanOrEqual(MIX_TOLERANCE);
    });
    expect(mixed).not.toEqual(reference);
    reference = mixed;
  }
});

it('saves what it has reached when filtering finds too few groups, and goes on from there', async () => {
  const tries = (await metricsOf('whole')).map((metrics) => metrics['filter/num_try_make_batch']!);
  const enough = Math.max(...tries);
  const failing = 1 + tries.indexOf(enough);
  expect(failing, 'a first step that fails has nothing to save').toBeGreaterThan(1);
  const name = 'trainer.experiment_name=short';
  const limit = `trainer.max_try_make_batch=${enough - 1}`;
  const failed = await wethink(world, 'train', 'run.yaml', name, 'trainer.save_freq=-1', limit);
  expect(failed.status).toBe(2);
  expect(failed.stderr).toContain(`step ${failing}: algorithm.online_filtering`);
  expect(await metricsOf('short')).toHaveLength(failing - 1);
  const resumed = await wethink(world, 'train', 'run.yaml', '--resume', name);
  expect(resumed.status, resumed.stderr).toBe(0);
  expect(await metricsOf('short')).toEqual(await metricsOf('whole'));
  expect(await finalFiles('short', 'step_000012')).toEqual(await finalFiles('whole', 'step_000012'));
});

it('ends after its step on Ctrl-C, with a checkpoint and the command that continues', async () => {
  const stopped = await signalAfter('stopped', 'step  2/12', 'SIGINT');
  expect(stopped.code, stopped.stderr).toBe(0);
  expect(stopped.stderr).toContain('wethink train run.yaml --resume');
  const step = (await readFile(at('runs/wethink/stopped/latest'), 'utf8')).trim();
  expect(['step_000002', 'step_000003']).toContain(step);
  expect((await finalFiles('stopped', step)).every(({ length }) => length > 0)).toBe(true);
});

it('refuses to resume under another configuration, naming the keys', async () => {
  const { status, stderr } = await wethink(
    world,
    'train',
    'run.yaml',
    '--resume',
    'trainer.experiment_name=whole',
    'optim.lr=1e-3',
  );
  expect(status).toBe(2);
  expect(stderr).toContain('optim.lr');
});

it('refuses to mix a new run with an old one', async () => {
  const { status, stderr } = await wethink(world, 'train', 'run.yaml', 'trainer.experiment_name=whole');
  expect(status).toBe(2);
  expect(stderr).toContain('--resume');
});

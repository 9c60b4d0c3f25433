/** `rollout.engine: replay` as a process: a step on given responses is a pure function of them. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { makeDigits } from '../../scripts/make-digits.ts';
import { readRows, wethink, writeRows } from './world.ts';

const MINI = fileURLToPath(new URL('../../checkpoints/mini', import.meta.url));
const ADAPTER = process.env['WETHINK_ADAPTER'] ?? 'embedded';

let world: string;
beforeAll(async () => {
  world = await mkdtemp(join(tmpdir(), 'wethink-replay-'));
  await makeDigits(join(world, 'digits'), { rows: { sft: 0, rl: 2, heldout: 0 } });
  const config = {
    model: { path: MINI },
    data: { train_files: 'digits/rl.jsonl', rollout_batch_size: 2, max_response_length: 14 },
    rollout: { n: 2, engine: 'replay' },
    algorithm: { kl_coef: 0.02 },
    optim: { lr: 3e-4 },
    trainer: { max_steps: 1, save_checkpoint_path: 'runs', gpu: { adapter: ADAPTER } },
  };
  await writeFile(join(world, 'run.yaml'), stringify(config));
});
afterAll(() => rm(world, { recursive: true, force: true }));

const at = (...path: string[]): string => join(world, ...path);

interface Replayed {
  token_ids: number[];
  reward: number;
  logprobs?: number[];
  entropies?: number[];
}

interface Paid {
  reward: number;
  kl_penalty: number;
  advantage: number;
}

/** Two questions with the same two responses each. */
async function writeReplay(file: string, responses: Replayed[]): Promise<void> {
  const rows = await readRows<object>(at('digits/rl.jsonl'));
  await writeRows(
    at('digits', file),
    rows.map((row) => ({ ...row, responses })),
  );
}

/** One step on the responses of a file. */
async function replayStep(run: string, file: string, ...overrides: string[]) {
  return wethink(
    world,
    'train',
    'run.yaml',
    `trainer.experiment_name=${run}`,
    `rollout.replay_file=digits/${file}`,
    ...overrides,
  );
}

async function replayedWeights(run: string, file: string, ...overrides: string[]): Promise<Buffer> {
  const { status, stderr } = await replayStep(run, file, ...overrides);
  expect(status, stderr).toBe(0);
  // That file is for references that follow the policy.
  expect(existsSync(at('runs/wethink', run, 'step_000001/reference.safetensors'))).toBe(false);
  return readFile(at('runs/wethink', run, 'step_000001/model.safetensors'));
}

const LONG: Replayed = { token_ids: [300, 301, 302], reward: 1 };
const SHORT: Replayed = { token_ids: [303, 304], reward: 0 };

it('replays given responses and rewards: the weights after it follow from them alone', async () => {
  await writeReplay('replay.jsonl', [LONG, SHORT]);
  await writeReplay('other.jsonl', [
    { ...LONG, reward: 0 },
    { ...SHORT, reward: 1 },
  ]);
  const weights = await replayedWeights('replay-a', 'replay.jsonl');
  expect(await replayedWeights('replay-b', 'replay.jsonl', 'trainer.seed=5')).toEqual(weights);
  expect(await replayedWeights('replay-c', 'other.jsonl')).not.toEqual(weights);
});

it('trains on the most uncertain tokens of a replay that tells them', async () => {
  const top = 'algorithm.top_entropy_quantile=0.4';
  await writeReplay('untold.jsonl', [LONG, SHORT]);
  const untold = await replayStep('untold', 'untold.jsonl', top);
  expect(untold.status).toBe(2);
  expect(untold.stderr).toContain('algorithm.top_entropy_quantile');
  expect(untold.stderr).toContain('untold.jsonl:1');
  await writeReplay('uncertain.jsonl', [
    { ...LONG, entropies: [1, 0.1, 0.2] },
    { ...SHORT, entropies: [2, 0.3] },
  ]);
  await writeReplay('certain.jsonl', [
    { ...LONG, entropies: [0.1, 1, 0.2] },
    { ...SHORT, entropies: [0.3, 2] },
  ]);
  const weights = await replayedWeights('uncertain', 'uncertain.jsonl', top);
  expect(await replayedWeights('certain', 'certain.jsonl', top)).not.toEqual(weights);
  // Without the share the entropies are not looked at.
  expect(await replayedWeights('all', 'certain.jsonl')).toEqual(
    await replayedWeights('all-too', 'uncertain.jsonl'),
  );
});

it('takes the divergence from the reference off the rewards', async () => {
  await writeReplay('sampled.jsonl', [
    { ...LONG, logprobs: [-1, -2, -3] },
    { ...SHORT, logprobs: [-0.5, -0.25] },
  ]);
  const keys = ['algorithm.use_kl_loss=false', 'algorithm.kl_penalty=k2', 'algorithm.scale_rewards=none'];
  const { status, stderr } = await replayStep('paid', 'sampled.jsonl', ...keys);
  expect(status, stderr).toBe(0);
  const rollouts = at('runs/wethink/paid/rollouts/step_000001.jsonl');
  for (const { group } of await readRows<{ group: Paid[] }>(rollouts)) {
    expect(group.every(({ kl_penalty }) => kl_penalty > 0)).toBe(true);
    const net = group.map(({ reward, kl_penalty }) => reward - kl_penalty);
    const mean = (net[0]! + net[1]!) / 2;
    group.forEach(({ advantage }, i) => expect(advantage).toBeCloseTo(net[i]! - mean, 5));
  }
});

/** Rules that join several keys (config/checks.ts): a message for each way to break one. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../../src/config/load.ts';

const MINIMAL = ['model.path=m', 'data.train_files=t.jsonl'];
const REPLAY = ['rollout.engine=replay', 'rollout.replay_file=r.jsonl'];

it.each([
  [['model.from_scratch=true', 'model.lora.rank=4'], /model\.lora\.rank: expected 0, .* found 4/],
  [
    ['model.quantization=int8'],
    /model\.quantization: expected none, or model\.lora\.rank above 0, .* found int8/,
  ],
  [['data.min_pixels=9', 'data.max_pixels=8'], /data\.min_pixels: expected at most .*\(8\), found 9/],
  [['rollout.engine=replay'], /rollout\.replay_file: expected a JSONL file/],
  [['rollout.replay_file=r.jsonl'], /rollout\.replay_file: is read only by rollout\.engine=replay/],
  [['rollout.min_tokens=4000'], /min_tokens: expected at most .*\(2048\)/],
  [['reward.accuracy_weight=0', 'reward.format_weight=0'], /reward\.accuracy_weight: expected .* above 0/],
  [['reward.function_weights=[1]'], /reward\.function_weights: expected 0, .* found 1/],
  [['reward.overlong={weight: 1, buffer_tokens: 4000}'], /buffer_tokens: expected at most .*\(2048\)/],
  [['reward.model.similarity_range=[1, 0]'], /similarity_range: expected the lower number first/],
  [
    [...REPLAY, 'algorithm.multi_objective_aggregation=normalize_then_sum'],
    /multi_objective_aggregation: expected sum_then_normalize/,
  ],
  [
    ['algorithm.multi_objective_aggregation=normalize_then_sum', 'algorithm.scale_rewards=batch'],
    /multi_objective_aggregation: expected sum_then_normalize, because algorithm\.scale_rewards=batch/,
  ],
  [
    ['algorithm.multi_objective_aggregation=normalize_then_sum', 'algorithm.use_kl_loss=false'],
    /multi_objective_aggregation: expected sum_then_normalize, because algorithm\.use_kl_loss=false/,
  ],
  [
    [...REPLAY, 'algorithm.online_filtering=true'],
    /online_filtering: expected false, because rollout\.engine=replay/,
  ],
  [
    ['algorithm.filter_low=0.5', 'algorithm.filter_high=0.5'],
    /filter_low: expected less than .*\(0\.5\), found 0\.5/,
  ],
  [['algorithm.sync_ref_model=true', 'algorithm.kl_coef=0'], /sync_ref_model: expected false, .*kl_coef/],
  [['algorithm.sync_ref_model=true', 'model.lora.rank=4'], /sync_ref_model: expected false, .*lora\.rank/],
  [
    ['algorithm.loss_type=cispo', 'algorithm.importance_sampling_level=sequence'],
    /importance_sampling_level: expected token, because cispo .* found sequence/,
  ],
  [['algorithm.clip_ratio_dual=1.3'], /clip_ratio_dual: expected more than .* \(1\.3\).* found 1\.3/],
  [
    ['algorithm.clip_ratio_dual=3', 'algorithm.loss_type=sapo'],
    /clip_ratio_dual: expected null, because loss_type sapo .* found 3/,
  ],
  [['model.lora.rank=6'], /lora\.rank: expected a multiple of 4, found 6/],
  [['algorithm.mini_batch_prompts=3'], /mini_batch_prompts: expected a divisor of .*\(8\), found 3/],
  [
    ['trainer.val_freq=5', 'trainer.val_after_train=true'],
    /val_files: .*trainer\.val_freq, trainer\.val_after_train/,
  ],
])('refuses %j', (overrides, message) => {
  expect(() => parseConfig('', 'a.yaml', [...MINIMAL, ...overrides])).toThrow(message);
});

it('lets rounded weights carry an adapter', () => {
  const config = parseConfig('', 'a.yaml', [...MINIMAL, 'model.quantization=int4', 'model.lora.rank=4']);
  expect(config.model.quantization).toBe('int4');
});

const CONFIGS = new URL('../../configs/', import.meta.url);

it.each(readdirSync(CONFIGS))('reads configs/%s, which says what it needs', async (name) => {
  const file = fileURLToPath(new URL(name, CONFIGS));
  const [header] = (await readFile(file, 'utf8')).split('\n\n');
  for (const topic of ['Hardware', 'Command']) expect(header).toMatch(new RegExp(`^# ${topic}: `, 'm'));
  expect((await loadConfig(file)).model.path).not.toBe('');
});

/** Rules that join several keys. */
import type { AlgorithmConfig, Config } from './schema.ts';

export interface Problem {
  /** Dotted key. */
  key: string;
  message: string;
}

type Report = (key: string, message: string) => void;

/** Problems between keys. A section that is missing here was invalid by itself; rules that read it wait. */
export function crossFieldProblems(sections: Partial<Config>): Problem[] {
  const { model, data, rollout, reward, algorithm, optim, trainer } = sections;
  const problems: Problem[] = [];
  const report: Report = (key, message) => void problems.push({ key, message });

  if (model?.from_scratch && model.lora.rank > 0) {
    report(
      'model.lora.rank',
      `expected 0, because model.from_scratch trains all weights, found ${model.lora.rank}`,
    );
  }
  if (model && model.quantization !== 'none' && model.lora.rank === 0) {
    report(
      'model.quantization',
      `expected none, or model.lora.rank above 0, because rounded weights cannot be trained, found ${model.quantization}`,
    );
  }
  if (data && data.min_pixels !== null && data.max_pixels !== null && data.min_pixels > data.max_pixels) {
    report(
      'data.min_pixels',
      `expected at most data.max_pixels (${data.max_pixels}), found ${data.min_pixels}`,
    );
  }
  if (rollout?.engine === 'replay' && rollout.replay_file === null) {
    report('rollout.replay_file', 'expected a JSONL file, because rollout.engine is replay, found null');
  }
  if (rollout?.engine === 'generate' && rollout.replay_file !== null) {
    report('rollout.replay_file', 'is read only by rollout.engine=replay; set that, or leave this key out');
  }
  if (data && rollout && rollout.min_tokens > data.max_response_length) {
    report(
      'rollout.min_tokens',
      `expected at most data.max_response_length (${data.max_response_length}), found ${rollout.min_tokens}`,
    );
  }
  if (reward && reward.accuracy_weight + reward.format_weight === 0) {
    report(
      'reward.accuracy_weight',
      'expected accuracy_weight + format_weight above 0, found 0: no reward at all',
    );
  }
  if (reward && reward.function_weights && reward.function_weights.length !== reward.functions.length) {
    report(
      'reward.function_weights',
      `expected ${reward.functions.length}, one for each of reward.functions, found ${reward.function_weights.length}`,
    );
  }
  if (
    reward &&
    data &&
    reward.overlong.weight !== 0 &&
    reward.overlong.buffer_tokens > data.max_response_length
  ) {
    report(
      'reward.overlong.buffer_tokens',
      `expected at most data.max_response_length (${data.max_response_length}), found ${reward.overlong.buffer_tokens}`,
    );
  }
  const range = reward?.model.similarity_range;
  if (range && range[0] >= range[1]) {
    report('reward.model.similarity_range', `expected the lower number first, found ${range.join(', ')}`);
  }
  if (algorithm?.online_filtering && rollout?.engine === 'replay') {
    report(
      'algorithm.online_filtering',
      'expected false, because rollout.engine=replay trains on the groups that are given, found true',
    );
  }
  if (algorithm && algorithm.filter_low >= algorithm.filter_high) {
    report(
      'algorithm.filter_low',
      `expected less than algorithm.filter_high (${algorithm.filter_high}), found ${algorithm.filter_low}`,
    );
  }
  if (algorithm?.sync_ref_model && algorithm.kl_coef === 0) {
    report(
      'algorithm.sync_ref_model',
      'expected false, because algorithm.kl_coef 0 keeps no reference model, found true',
    );
  }
  if (algorithm?.sync_ref_model && model && model.lora.rank > 0) {
    report(
      'algorithm.sync_ref_model',
      'expected false, because with model.lora.rank above 0 the reference model is the policy without its adapter, found true',
    );
  }
  if (algorithm) reportAlgorithm(algorithm, rollout?.engine, report);
  const mini = algorithm?.mini_batch_prompts ?? null;
  if (data && mini !== null && data.rollout_batch_size % mini !== 0) {
    report(
      'algorithm.mini_batch_prompts',
      `expected a divisor of data.rollout_batch_size (${data.rollout_batch_size}), found ${mini}`,
    );
  }
  if (optim && optim.warmup_steps > 0 && optim.warmup_ratio > 0) {
    report(
      'optim.warmup_ratio',
      `expected 0, because optim.warmup_steps is ${optim.warmup_steps}, found ${optim.warmup_ratio}`,
    );
  }
  if (data?.val_files === null && trainer) {
    const asking = (['val_before_train', 'val_after_train'] as const).filter((key) => trainer[key]);
    const keys = [...(trainer.val_freq === -1 ? [] : ['val_freq']), ...asking].map((key) => `trainer.${key}`);
    if (keys.length > 0) {
      report(
        'data.val_files',
        `expected a JSONL file, because ${keys.join(', ')} asks for validation, found null`,
      );
    }
  }
  return problems;
}

/** Parts of the loss and of the advantages that do not go together. */
function reportAlgorithm(algorithm: AlgorithmConfig, engine: string | undefined, report: Report): void {
  const { loss_type: type, clip_ratio_high: high, clip_ratio_dual: dual } = algorithm;
  const clipped = type !== 'cispo' && type !== 'sapo';
  if (dual !== null && !clipped) {
    report(
      'algorithm.clip_ratio_dual',
      `expected null, because loss_type ${type} has no such bound, found ${dual}`,
    );
  } else if (dual !== null && dual <= 1 + high) {
    report(
      'algorithm.clip_ratio_dual',
      `expected more than 1 + clip_ratio_high (${1 + high}), where the ratio is clipped anyway, found ${dual}`,
    );
  }
  if (type === 'cispo' && algorithm.importance_sampling_level === 'sequence') {
    report(
      'algorithm.importance_sampling_level',
      "expected token, because cispo weights each token's log-probability by its own ratio, found sequence",
    );
  }
  if (algorithm.multi_objective_aggregation === 'sum_then_normalize') return;
  const found = 'found normalize_then_sum';
  const reasons = {
    'rollout.engine=replay gives whole rewards without parts': engine === 'replay',
    'algorithm.scale_rewards=batch divides whole rewards': algorithm.scale_rewards === 'batch',
    'algorithm.use_kl_loss=false takes the KL term off whole rewards': !algorithm.use_kl_loss,
  };
  for (const [reason, applies] of Object.entries(reasons)) {
    if (applies) {
      report(
        'algorithm.multi_objective_aggregation',
        `expected sum_then_normalize, because ${reason}, ${found}`,
      );
    }
  }
}

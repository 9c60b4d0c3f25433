/** The keys that the schema knows, and the best guess for one that it does not know. */
import { distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { configSchema } from './schema.ts';

/** What TRL, EasyR1 and verl call things that have another name here. */
const FOREIGN_NAMES: Readonly<Record<string, string>> = {
  model_name_or_path: 'model.path',
  model_path: 'model.path',
  lora_r: 'model.lora.rank',
  lora_alpha: 'model.lora.alpha',
  dataset_name: 'data.train_files',
  max_completion_length: 'data.max_response_length',
  val_batch_size: 'data.val_max_rows',
  num_generations: 'rollout.n',
  learning_rate: 'optim.lr',
  adam_beta1: 'optim.betas',
  adam_beta2: 'optim.betas',
  adam_epsilon: 'optim.eps',
  lr_warmup_steps: 'optim.warmup_steps',
  lr_warmup_ratio: 'optim.warmup_ratio',
  beta: 'algorithm.kl_coef',
  epsilon: 'algorithm.clip_ratio_low',
  epsilon_high: 'algorithm.clip_ratio_high',
  delta: 'algorithm.clip_ratio_dual',
  clip_ratio_c: 'algorithm.clip_ratio_dual',
  tau_positive: 'algorithm.sapo_temperature_pos',
  tau_negative: 'algorithm.sapo_temperature_neg',
  global_batch_size: 'algorithm.mini_batch_prompts',
  ppo_epochs: 'algorithm.num_iterations',
  num_train_epochs: 'trainer.total_epochs',
  eval_steps: 'trainer.val_freq',
  save_steps: 'trainer.save_freq',
  save_total_limit: 'trainer.save_limit',
};

/** The configuration as JSON Schema (draft 2020-12), for editors. */
export function jsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(configSchema, { io: 'input' });
}

let known: Map<string, string> | undefined;

/** Every dotted key with its help text; sections and free maps are among them. */
export function knownKeys(): ReadonlyMap<string, string> {
  known ??= new Map(walk(jsonSchema(), ''));
  return known;
}

function* walk(schema: unknown, prefix: string): Generator<[string, string]> {
  if (!isObject(schema) || !isObject(schema['properties'])) return;
  for (const [key, child] of Object.entries(schema['properties'])) {
    const path = prefix + key;
    yield [path, isObject(child) && typeof child['description'] === 'string' ? child['description'] : ''];
    yield* walk(child, `${path}.`);
  }
}

/** The known key that the writer of an unknown one most likely meant, or undefined when none is near. */
export function nearestKey(unknown: string): string | undefined {
  const name = lastPart(unknown);
  const foreign = Object.hasOwn(FOREIGN_NAMES, name) ? FOREIGN_NAMES[name] : undefined;
  const parent = unknown.slice(0, -name.length);
  let best: string | undefined;
  let bestCost = Infinity;
  for (const key of knownKeys().keys()) {
    const keyName = lastPart(key);
    // A slip in the right section is likelier than the exact name of another one's key that happens to be near.
    const moved = key.slice(0, -keyName.length) === parent ? 0 : 0.5;
    const cost = distance(name, keyName) + moved;
    if (cost < bestCost) [best, bestCost] = [key, cost];
  }
  if (foreign !== undefined && bestCost > 1) return foreign;
  const farthest = Math.min(Math.max(2, name.length / 3), name.length - 1);
  return bestCost <= farthest ? best : undefined;
}

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1);
}

/** A plain object: a YAML mapping, not a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

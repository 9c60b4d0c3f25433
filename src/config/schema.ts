/**
 * The configuration: one strict schema. Types, defaults, help texts and the JSON Schema all come from here.
 * Names follow EasyR1 and TRL wherever they have one.
 */
import { z } from 'zod';
import { algorithm } from './algorithm-schema.ts';
import { count, everySteps, files, folderName, fraction, pattern, seed, text } from './fields.ts';
import { optim } from './optim-schema.ts';
import { GROUP_SIZES, QUANTIZATIONS, SCALE_FORMATS } from './quantizations.ts';
import { reward } from './reward-schema.ts';
import { WETHINK_SYSTEM_PROMPT } from './system-prompt.ts';

const model = z.strictObject({
  path: text().describe(
    'Qwen2.5-VL model: a Hugging Face folder, or owner/name[@revision] on the Hugging Face hub.',
  ),
  freeze_vision_tower: z.boolean().default(false).describe('Keep the vision tower as it is.'),
  gradient_checkpointing: z
    .boolean()
    .default(true)
    .describe(
      'Recompute each layer in the backward pass: much less memory, up to a third more time; false for small models.',
    ),
  quantization: z
    .enum(QUANTIZATIONS)
    .default('none')
    .describe(
      'Round the linear layers to 8 or 4 bits as they are loaded, for less memory; needs lora.rank above 0.',
    ),
  quantization_group: z
    .literal(GROUP_SIZES)
    .default(32)
    .describe('Weights of a row that share a scale: 32 is more exact, 64 smaller.'),
  quantization_scales: z
    .enum(SCALE_FORMATS)
    .default('f16')
    .describe('Format of the scales; f32 takes more memory, and is for weights that f16 cannot hold.'),
  from_scratch: z
    .boolean()
    .default(false)
    .describe(
      'Start from random weights of the shape in config.json; for small models trained from nothing.',
    ),
  lora: z
    .strictObject({
      rank: z
        .int()
        .min(0)
        .multipleOf(4, { error: 'a multiple of 4' })
        .default(0)
        .describe('Rank of the adapter matrices, a multiple of 4; 0 trains all weights.'),
      alpha: z.number().positive().default(64).describe('The adapter is scaled by alpha / rank.'),
      use_rslora: z
        .boolean()
        .default(false)
        .describe('Scale by alpha / sqrt(rank) instead (rsLoRA), for adapters of a high rank.'),
      target_modules: z
        .union([z.literal('all-linear'), z.array(text()).min(1)], {
          error: '"all-linear", or a list of parts of module names',
        })
        .default('all-linear')
        .describe('Which linear layers get an adapter.'),
      exclude_modules: pattern()
        .nullable()
        .default('.*visual.*')
        .describe('Regular expression; module names that match it get no adapter.'),
    })
    .prefault({})
    .describe('Low-rank adapters.'),
});

const data = z.strictObject({
  train_files: files().describe('JSONL file or files to train on.'),
  val_files: files().nullable().default(null).describe('JSONL file or files to validate on.'),
  image_dir: text()
    .nullable()
    .default(null)
    .describe('Folder of the images; null: the folder of each JSONL.'),
  prompt_key: text().default('problem').describe('Key of the question in a row.'),
  answer_key: text().default('answer').describe('Key of the right answer in a row.'),
  image_key: text().default('image_path').describe('Key of the image path or paths in a row.'),
  system_prompt: z.string().default(WETHINK_SYSTEM_PROMPT).describe('System prompt; "" for none.'),
  max_prompt_length: count().default(2048).describe('Longest prompt in tokens, images included.'),
  max_response_length: count().default(2048).describe('Longest response in tokens.'),
  rollout_batch_size: count().default(8).describe('Prompts per step.'),
  val_max_rows: count().nullable().default(null).describe('Validate on this many rows; null: all.'),
  shuffle: z.boolean().default(true).describe('New order of the training rows in every epoch.'),
  seed: seed().default(1).describe('Seed of the order of rows.'),
  min_pixels: count()
    .nullable()
    .default(null)
    .describe("Smaller images are enlarged to this area; null: as in the model's preprocessor_config.json."),
  max_pixels: count()
    .nullable()
    .default(null)
    .describe("Larger images are reduced to this area; null: as in the model's preprocessor_config.json."),
  filter_overlong_prompts: z
    .boolean()
    .default(true)
    .describe('Leave out rows whose prompt is longer than max_prompt_length; false: such a row is an error.'),
  max_bad_fraction: fraction().default(0).describe('Go on without bad rows up to this fraction of all rows.'),
});

const rollout = z
  .strictObject({
    engine: z
      .enum(['generate', 'replay'])
      .default('generate')
      .describe('"generate" samples responses; "replay" takes them with their rewards from replay_file.'),
    replay_file: text().nullable().default(null).describe('JSONL of given responses for engine "replay".'),
    n: z.int().min(2).default(5).describe('Responses per prompt: the size of a group.'),
    temperature: z.number().positive().default(1).describe('Sampling temperature in training.'),
    top_k: z.int().min(-1).default(-1).describe('Sample among the k most likely tokens; -1: all.'),
    top_p: fraction()
      .default(1)
      .describe('Sample among the most likely tokens that hold this share; 1: all.'),
    min_p: fraction()
      .default(0)
      .describe('Sample among tokens at least this times as likely as the most likely one; 0: all.'),
    repetition_penalty: z
      .number()
      .positive()
      .default(1)
      .describe('Lowers the logits of tokens that occurred in prompt or response, as Hugging Face; 1: not.'),
    min_tokens: z.int().min(0).default(0).describe('No end token before so many tokens.'),
    stop_strings: z
      .array(text())
      .default([])
      .describe('A response ends with the token that completes one of these texts.'),
    max_sequences: count()
      .default(128)
      .describe(
        'Responses generated at once, fewer where trainer.gpu.memory_budget_gb leaves no room for their KV cache; ' +
          'never changes the result.',
      ),
    val_temperature: z
      .number()
      .min(0)
      .default(0)
      .describe('Sampling temperature in validation; 0 is greedy.'),
  })
  .prefault({});

const sft = z
  .strictObject({
    batch_size: count().default(32).describe('Rows per update of `wethink sft`.'),
  })
  .prefault({});

const trainer = z
  .strictObject({
    project_name: folderName().default('wethink').describe('Folder of the project in save_checkpoint_path.'),
    experiment_name: folderName()
      .default('run')
      .describe(
        "Folder of the run in the project; the configuration file's name without ending unless given.",
      ),
    save_checkpoint_path: text().default('checkpoints').describe('Folder of all runs.'),
    total_epochs: count().default(1).describe('Passes over the training rows.'),
    max_steps: count().nullable().default(null).describe('Steps; overrides total_epochs.'),
    max_try_make_batch: count()
      .default(20)
      .describe(
        'With algorithm.online_filtering: at most so many times rollout_batch_size prompts are sampled for one step.',
      ),
    val_freq: everySteps().default(-1).describe('Validate every so many steps; -1: never.'),
    val_before_train: z.boolean().default(false).describe('Validate before the first step.'),
    val_after_train: z.boolean().default(false).describe('Validate after the last step.'),
    save_freq: everySteps().default(-1).describe('Save every so many steps; -1: at the end only.'),
    save_limit: everySteps().default(3).describe('Keep the newest so many checkpoints; -1: all.'),
    micro_batch_tokens: count().default(4096).describe('Tokens per forward pass; never changes the result.'),
    seed: seed().default(1).describe('Seed of sampling and of fresh weights.'),
    gpu: z
      .strictObject({
        adapter: z
          .enum(['auto', 'real', 'system', 'embedded'])
          .default('auto')
          .describe('A real GPU, a software driver of the system, or the embedded one; auto: in this order.'),
        memory_budget_gb: z
          .number()
          .positive()
          .nullable()
          .default(null)
          .describe('Limit of GPU buffers; null: none.'),
      })
      .prefault({})
      .describe('Choice of the device.'),
  })
  .prefault({});

export const configSchema = z.strictObject({ model, data, rollout, reward, algorithm, optim, sft, trainer });

export type Config = z.infer<typeof configSchema>;
export type ModelConfig = Config['model'];
export type DataConfig = Config['data'];
export type RolloutConfig = Config['rollout'];
export type RewardConfig = Config['reward'];
export type AlgorithmConfig = Config['algorithm'];
export type OptimConfig = Config['optim'];
export type TrainerConfig = Config['trainer'];

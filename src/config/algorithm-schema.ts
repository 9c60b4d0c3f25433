/** `algorithm`: advantages and the loss, over which groups and how often it is taken, and its reference policy. */
import { z } from 'zod';
import { count, fraction, text } from './fields.ts';

export const algorithm = z
  .strictObject({
    loss_type: z
      .enum(['grpo', 'bnpo', 'dr_grpo', 'dapo', 'cispo', 'sapo'])
      .default('grpo')
      .describe(
        'grpo, bnpo, dr_grpo and dapo clip the ratio and differ in how token losses are averaged; cispo caps the ' +
          'ratio as a weight of the log-probability (averaged as dapo); sapo gates it softly (averaged as grpo).',
      ),
    importance_sampling_level: z
      .enum(['token', 'sequence'])
      .default('token')
      .describe(
        'The ratio of each token, or that of its response (GSPO): exp of the mean log-ratio of its tokens. GSPO ' +
          'goes with loss_type grpo and clip ratios near 3e-4.',
      ),
    clip_ratio_low: fraction()
      .default(0.2)
      .describe('The ratio is clipped below at 1 minus this; cispo and sapo have no such bound.'),
    clip_ratio_high: z
      .number()
      .min(0)
      .default(0.3)
      .describe(
        'The ratio is clipped above at 1 plus this; with cispo its cap is 1 plus this, so that 4 is the 5 of ' +
          "TRL's epsilon_high. sapo has no such bound.",
      ),
    clip_ratio_dual: z
      .number()
      .positive()
      .nullable()
      .default(null)
      .describe(
        'Where the advantage is negative the ratio counts at most this (3 in EasyR1, delta in TRL); null: no bound.',
      ),
    sapo_temperature_pos: z
      .number()
      .positive()
      .default(1)
      .describe('How soon the gate of sapo closes where the advantage is positive.'),
    sapo_temperature_neg: z
      .number()
      .positive()
      .default(1.05)
      .describe('How soon the gate of sapo closes where the advantage is not positive.'),
    top_entropy_quantile: z
      .number()
      .positive()
      .max(1)
      .default(1)
      .describe(
        'The policy term counts only for this share of the tokens of an update, those of the highest entropy when ' +
          'they were sampled; 1: all.',
      ),
    kl_coef: z.number().min(0).default(0.01).describe('Weight of the KL term; 0 keeps no reference model.'),
    kl_penalty: z
      .enum(['k1', 'k2', 'k3', 'abs'])
      .default('k3')
      .describe(
        'Estimate of the KL divergence from the reference; kl, mse, low_var_kl and abs in EasyR1, in this order. As ' +
          'a loss k1 only adds noise: its expected gradient is 0.',
      ),
    use_kl_loss: z
      .boolean()
      .default(true)
      .describe(
        "The KL term is part of the loss; false: kl_coef times a response's sum of it is taken off its reward " +
          'before the advantages.',
      ),
    scale_rewards: z
      .enum(['group', 'batch', 'none'])
      .default('group')
      .describe('Divide advantages by the standard deviation of the group or of the whole batch, or not.'),
    multi_objective_aggregation: z
      .enum(['sum_then_normalize', 'normalize_then_sum'])
      .default('sum_then_normalize')
      .describe(
        'Advantages of the weighted sum of the parts, or the weighted sum of their advantages (GDPO).',
      ),
    mini_batch_prompts: count()
      .nullable()
      .default(null)
      .describe('Prompts per optimizer update; null: all of rollout_batch_size.'),
    num_iterations: count().default(1).describe('Passes over the rollouts of one step.'),
    mask_truncated_completions: z
      .boolean()
      .default(false)
      .describe('Leave responses without an end token out of the loss.'),
    online_filtering: z
      .boolean()
      .default(false)
      .describe(
        'Train only on groups with filter_low < mean of filter_key < filter_high, and sample further prompts until ' +
          'rollout_batch_size of them are found (DAPO).',
      ),
    filter_key: text()
      .default('accuracy')
      .describe('What is averaged: a part of the reward by its name, or overall for their weighted sum.'),
    filter_low: z.number().default(0.01).describe('Groups with this mean or a lower one are left out.'),
    filter_high: z.number().default(0.99).describe('Groups with this mean or a higher one are left out.'),
    sync_ref_model: z
      .boolean()
      .default(false)
      .describe(
        'Let the reference model follow the policy (TR-DPO): it becomes ref_model_mixup_alpha of the policy and the ' +
          'rest of itself. It is then stored as f32. Needs kl_coef above 0 and lora.rank 0.',
      ),
    ref_model_mixup_alpha: fraction().default(0.6).describe("The policy's share in the new reference model."),
    ref_model_sync_steps: count()
      .default(512)
      .describe('Let the reference model follow every so many steps.'),
  })
  .prefault({});

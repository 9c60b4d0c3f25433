/** The section `optim` of the configuration. */
import { z } from 'zod';
import { beta, fraction, pattern } from './fields.ts';

export const optim = z
  .strictObject({
    strategy: z
      .enum(['adamw', 'adamw_8bit'])
      .default('adamw')
      .describe(
        '"adamw_8bit" keeps the moments of large parameters in 8 bits: 2 bytes a weight instead of 8.',
      ),
    lr: z.number().min(0).default(1e-6).describe('Peak learning rate.'),
    betas: z
      .tuple([beta(), beta()], { error: 'two numbers from 0 to below 1' })
      .default([0.9, 0.999])
      .describe("AdamW's decay rates."),
    eps: z.number().positive().default(1e-8).describe("AdamW's epsilon."),
    weight_decay: z.number().min(0).default(0.01).describe('Decoupled weight decay.'),
    max_grad_norm: z.number().positive().default(1).describe('Gradients are scaled down to this norm.'),
    lr_scheduler_type: z
      .enum(['constant', 'linear', 'cosine'])
      .default('constant')
      .describe('Course of the learning rate after the warm-up.'),
    lr_multipliers: z
      .record(pattern(), z.number().min(0))
      .default({})
      .describe(
        'Factors on the learning rate by regular expressions over whole parameter names, the first match counts, ' +
          'such as {".*visual.*": 0.1, ".*lora_B.*": 16}.',
      ),
    warmup_steps: z.int().min(0).default(0).describe('Updates of linear warm-up.'),
    warmup_ratio: fraction()
      .default(0)
      .describe("Warm-up as a share of the run's updates, in the place of warmup_steps."),
    min_lr_ratio: fraction().default(0).describe('The schedule ends at this fraction of lr.'),
  })
  .prefault({});

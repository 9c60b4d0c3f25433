/** What can be asked of the benchmarks; parts in the order in which they are measured. */

export const ROLLOUT_PARTS = ['tokens', 'host', 'traffic', 'large'] as const;
export type RolloutPart = (typeof ROLLOUT_PARTS)[number];

export const TRAIN_PARTS = ['matmul', 'prefix', 'head', 'memory', 'step'] as const;
export type TrainPart = (typeof TRAIN_PARTS)[number];

/** By what the widths of published models can be divided, for a try on a machine that is too small for them. */
export const SCALES = [1, 2, 4, 8] as const;
export type Scale = (typeof SCALES)[number];

/** What can be asked of the benchmark of rollouts. */

/** In the order in which they are measured. */
export const PARTS = ['tokens', 'host', 'traffic', 'large'] as const;
export type Part = (typeof PARTS)[number];

/** By what the widths of published models can be divided, for a try on a machine that is too small for them. */
export const SCALES = [1, 2, 4, 8] as const;
export type Scale = (typeof SCALES)[number];

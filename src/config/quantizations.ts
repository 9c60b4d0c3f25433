/** To what frozen linear layers can be rounded as they are loaded. */
export const QUANTIZATIONS = ['none', 'int8', 'int4'] as const;

/** Integers of a row that share a scale. */
export const GROUP_SIZES = [32, 64] as const;

/** How the scales are stored. */
export const SCALE_FORMATS = ['f32', 'f16'] as const;

/** To what frozen linear layers can be rounded as they are loaded. */
export const QUANTIZATIONS = ['none', 'int8', 'int4'] as const;

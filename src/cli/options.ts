/** Options that several commands share. */
import { GROUP_SIZES, QUANTIZATIONS, SCALE_FORMATS } from '../config/quantizations.ts';
import { WETHINK_SYSTEM_PROMPT } from '../config/system-prompt.ts';
import type { AdapterChoice } from '../gpu/adapter.ts';

const ADAPTERS: readonly AdapterChoice[] = ['auto', 'real', 'system', 'embedded'];

export const MODEL_HELP = 'Hugging Face folder, or owner/name[@revision] on the Hugging Face hub';

export const adapterOption = {
  choices: ADAPTERS,
  default: 'auto' as AdapterChoice,
  describe: 'A real GPU, a software driver of the system, or the embedded one; auto: the first there is',
} as const;

/** Defaults as those of `model.quantization`. */
export const quantizationOptions = {
  quantization: {
    choices: QUANTIZATIONS,
    default: 'none' as QuantizationArgs['quantization'],
    describe: 'Round the linear layers to 8 or 4 bits as they are loaded, for less memory',
  },
  'quantization-group': {
    choices: GROUP_SIZES,
    default: 32 as QuantizationArgs['quantization-group'],
    describe: 'Weights that share a scale',
  },
  'quantization-scales': {
    choices: SCALE_FORMATS,
    default: 'f16' as QuantizationArgs['quantization-scales'],
    describe: 'Format of the scales',
  },
} as const;

export interface QuantizationArgs {
  quantization: (typeof QUANTIZATIONS)[number];
  'quantization-group': (typeof GROUP_SIZES)[number];
  'quantization-scales': (typeof SCALE_FORMATS)[number];
}

export const systemPromptOption = {
  type: 'string',
  default: WETHINK_SYSTEM_PROMPT,
  defaultDescription: "WeThink's",
  describe: "System prompt; --no-system-prompt leaves it to the model's chat template",
} as const;

/** yargs sets false for `--no-system-prompt`. @returns null for none */
export function systemPrompt(option: unknown): string | null {
  return typeof option === 'string' && option !== '' ? option : null;
}

/** The positional arguments of commands that run from a configuration. */
export const configPositional = {
  type: 'string',
  demandOption: true,
  describe: 'YAML file',
} as const;

export const overridesPositional = {
  type: 'string',
  array: true,
  default: [] as string[],
  describe: 'section.key=value with a YAML value; ~section.key takes a key out of the file',
} as const;

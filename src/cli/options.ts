/** Options that several commands share. */
import { QUANTIZATIONS } from '../config/quantizations.ts';
import { WETHINK_SYSTEM_PROMPT } from '../config/system-prompt.ts';
import type { AdapterChoice } from '../gpu/adapter.ts';
import type { Quantization } from '../model/quantize.ts';

const ADAPTERS: readonly AdapterChoice[] = ['auto', 'real', 'system', 'embedded'];

export const MODEL_HELP = 'Hugging Face folder, or owner/name[@revision] on the Hugging Face hub';

export const adapterOption = {
  choices: ADAPTERS,
  default: 'auto' as AdapterChoice,
  describe: 'A real GPU, a software driver of the system, or the embedded one; auto: the first there is',
} as const;

export const quantizationOption = {
  choices: QUANTIZATIONS,
  default: 'none' as Quantization,
  describe: 'Round the linear layers to 8 or 4 bits as they are loaded, for less memory',
} as const;

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

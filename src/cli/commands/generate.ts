/** `wethink generate`: answers one question. */
import type { CommandModule } from 'yargs';
import type { AdapterChoice } from '../../gpu/adapter.ts';
import {
  type QuantizationArgs,
  adapterOption,
  MODEL_HELP,
  quantizationOptions,
  systemPrompt,
  systemPromptOption,
} from '../options.ts';

interface GenerateArgs extends QuantizationArgs {
  model: string;
  prompt: string;
  image: string[];
  'max-tokens': number;
  temperature: number;
  'top-k': number;
  'top-p': number;
  'min-p': number;
  'repetition-penalty': number;
  'min-tokens': number;
  stop: string[];
  seed: number;
  'system-prompt': string;
  adapter: AdapterChoice;
  json: boolean;
}

/** Rows of one pass over the prompt. */
const PREFILL_ROWS = 4096;
const MAX_SEED = 2 ** 32 - 1;

const whole =
  (low: number, high = Infinity) =>
  (value: number) =>
    Number.isInteger(value) && value >= low && value <= high;
const share = { expected: 'a number from 0 to 1', holds: (value: number) => value >= 0 && value <= 1 };

const RANGES: Readonly<Record<string, { expected: string; holds: (value: number) => boolean }>> = {
  temperature: { expected: '0 or more', holds: (value) => value >= 0 },
  'top-k': { expected: 'a whole number from 0', holds: whole(0) },
  'top-p': share,
  'min-p': share,
  'repetition-penalty': {
    expected: 'a number above 0',
    holds: (value) => value > 0 && Number.isFinite(value),
  },
  'max-tokens': { expected: 'a whole number above 0', holds: whole(1) },
  'min-tokens': { expected: 'a whole number from 0', holds: whole(0) },
  seed: { expected: `a whole number from 0 to ${MAX_SEED}`, holds: whole(0, MAX_SEED) },
};

export const generateCommand: CommandModule<object, GenerateArgs> = {
  command: 'generate',
  describe: 'Answer a question about images',
  builder: (yargs) =>
    yargs
      .option('model', { type: 'string', demandOption: true, describe: MODEL_HELP })
      .option('prompt', { type: 'string', demandOption: true, describe: 'The question' })
      .option('image', { type: 'string', array: true, default: [] as string[], describe: 'Image files' })
      .option('max-tokens', { type: 'number', default: 1000, describe: 'Longest answer' })
      .option('temperature', { type: 'number', default: 0, describe: '0 takes the likeliest token' })
      .option('top-k', {
        type: 'number',
        default: 0,
        describe: 'Sample among the k likeliest tokens; 0: all',
      })
      .option('top-p', { type: 'number', default: 1, describe: 'Sample among those that hold this share' })
      .option('min-p', {
        type: 'number',
        default: 0,
        describe: 'Sample among those at least this times as likely as the likeliest',
      })
      .option('repetition-penalty', {
        type: 'number',
        default: 1,
        describe: 'Above 1: makes tokens that occurred less likely',
      })
      .option('min-tokens', { type: 'number', default: 0, describe: 'No end before so many tokens' })
      .option('stop', {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'Texts that end the answer',
      })
      .option('seed', { type: 'number', default: 1, describe: 'Seed of the sampling' })
      .option('system-prompt', systemPromptOption)
      .options(quantizationOptions)
      .option('adapter', adapterOption)
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print text, tokens and log-probabilities',
      })
      .check((args) => {
        for (const [name, { expected, holds }] of Object.entries(RANGES)) {
          if (!holds(Number(args[name]))) return `--${name}: expected ${expected}.`;
        }
        return !args.stop.includes('') || '--stop: expected texts that are not empty.';
      })
      .example('$0 generate --model checkpoints/mini --image two.png --prompt "What is the sum?"', '')
      .example('$0 generate --model checkpoints/mini --prompt "2 + 3?" --temperature 1 --seed 7', 'sampled')
      .example(
        '$0 generate --model Qwen/Qwen2.5-VL-3B-Instruct --prompt "2 + 3?"',
        'fetched on its first use',
      )
      .example('$0 generate --model checkpoints/mini --prompt "2 + 3?" --temperature 0.7 --top-p 0.9', ''),
  handler: async (args) => {
    const { Gpu } = await import('../../gpu/gpu.ts');
    const { FROZEN } = await import('../../model/qwen2_5_vl.ts');
    const { Policy } = await import('../../rollout/policy.ts');
    const { RolloutEngine } = await import('../../rollout/rollout.ts');
    const { integerLayout } = await import('../../model/quantize.ts');
    const { quantization: format, quantizationGroup, quantizationScales } = args;
    const quantization = integerLayout(format, quantizationGroup, quantizationScales);
    const settings = { ...FROZEN, quantization };
    const policy = await Policy.load(await Gpu.open(args.adapter), args.model, settings);
    const prompt = await policy.prompt({
      problem: args.prompt,
      images: args.image,
      systemPrompt: systemPrompt(args.systemPrompt),
      where: 'wethink generate',
    });
    const engine = new RolloutEngine(policy, { maxSequences: 1, maxRows: PREFILL_ROWS });
    const { temperature, topK, topP, minP, repetitionPenalty, minTokens, maxTokens, seed } = args;
    const options = { temperature, topK, topP, minP, repetitionPenalty, minTokens };
    const sampling = { ...options, maxTokens, stopStrings: args.stop, seed, step: 0 };
    const [[response] = []] = await engine.generate([{ prompt, count: 1 }], sampling);
    const { text, tokens, logprobs, end } = response!;
    const result = {
      text,
      end,
      prompt_token_ids: Array.from(prompt.tokens),
      token_ids: Array.from(tokens),
      logprobs: Array.from(logprobs),
    };
    process.stdout.write(`${args.json ? JSON.stringify(result) : text}\n`);
  },
};

/** `wethink generate`: answers one question. */
import type { CommandModule } from 'yargs';
import type { AdapterChoice } from '../../gpu/adapter.ts';
import { adapterOption, systemPrompt, systemPromptOption } from '../options.ts';

interface GenerateArgs {
  model: string;
  prompt: string;
  image: string[];
  'max-tokens': number;
  temperature: number;
  seed: number;
  'system-prompt': string;
  adapter: AdapterChoice;
  json: boolean;
}

/** Rows of one pass over the prompt. */
const PREFILL_ROWS = 4096;
const MAX_SEED = 2 ** 32 - 1;

export const generateCommand: CommandModule<object, GenerateArgs> = {
  command: 'generate',
  describe: 'Answer a question about images',
  builder: (yargs) =>
    yargs
      .option('model', { type: 'string', demandOption: true, describe: 'Hugging Face folder' })
      .option('prompt', { type: 'string', demandOption: true, describe: 'The question' })
      .option('image', { type: 'string', array: true, default: [] as string[], describe: 'Image files' })
      .option('max-tokens', { type: 'number', default: 1000, describe: 'Longest answer' })
      .option('temperature', { type: 'number', default: 0, describe: '0 takes the likeliest token' })
      .option('seed', { type: 'number', default: 1, describe: 'Seed of the sampling' })
      .option('system-prompt', systemPromptOption)
      .option('adapter', adapterOption)
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print text, tokens and log-probabilities',
      })
      .check(({ temperature }) => temperature >= 0 || '--temperature: expected 0 or more.')
      .check(
        ({ 'max-tokens': tokens }) =>
          (Number.isInteger(tokens) && tokens > 0) || '--max-tokens: expected a whole number above 0.',
      )
      .check(
        ({ seed }) =>
          (Number.isInteger(seed) && seed >= 0 && seed <= MAX_SEED) ||
          `--seed: expected a whole number from 0 to ${MAX_SEED}.`,
      )
      .example('$0 generate --model checkpoints/mini --image two.png --prompt "What is the sum?"', '')
      .example('$0 generate --model checkpoints/mini --prompt "2 + 3?" --temperature 1 --seed 7', 'sampled'),
  handler: async (args) => {
    const { Gpu } = await import('../../gpu/gpu.ts');
    const { FROZEN } = await import('../../model/qwen2_5_vl.ts');
    const { Policy } = await import('../../rollout/policy.ts');
    const { RolloutEngine } = await import('../../rollout/rollout.ts');
    const policy = await Policy.load(await Gpu.open(args.adapter), args.model, FROZEN);
    const prompt = await policy.prompt({
      problem: args.prompt,
      images: args.image,
      systemPrompt: systemPrompt(args.systemPrompt),
      where: 'wethink generate',
    });
    const engine = new RolloutEngine(policy, { maxSequences: 1, maxRows: PREFILL_ROWS });
    const { temperature, seed, maxTokens } = args;
    const sampling = { temperature, maxTokens, seed, step: 0 };
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

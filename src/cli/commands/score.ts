/** `wethink score`: log-probabilities of given responses. */
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

interface ScoreArgs extends QuantizationArgs {
  model: string;
  data: string;
  out: string;
  temperature: number;
  'image-dir': string | undefined;
  'system-prompt': string;
  'micro-batch-tokens': number;
  adapter: AdapterChoice;
}

export const scoreCommand: CommandModule<object, ScoreArgs> = {
  command: 'score',
  describe: 'Log-probabilities of given responses, token by token',
  builder: (yargs) =>
    yargs
      .option('model', { type: 'string', demandOption: true, describe: MODEL_HELP })
      .option('data', {
        type: 'string',
        demandOption: true,
        describe:
          'JSONL of WeThink rows (problem, image_path), each with a "response", to which the end token is ' +
          'added, or with "token_ids", taken as they are',
      })
      .option('out', {
        type: 'string',
        demandOption: true,
        describe: 'JSONL to write: id, prompt_token_ids, token_ids, logprobs, sum_logprob',
      })
      .option('temperature', { type: 'number', default: 1, describe: 'Logits are divided by it' })
      .option('image-dir', { type: 'string', describe: "Folder of the images; default: the data file's own" })
      .option('system-prompt', systemPromptOption)
      .option('micro-batch-tokens', {
        type: 'number',
        default: 4096,
        describe: 'Tokens per forward pass; never changes the result',
      })
      .options(quantizationOptions)
      .option('adapter', adapterOption)
      .check(({ temperature }) => temperature > 0 || '--temperature: expected a number above 0.')
      .check(
        ({ 'micro-batch-tokens': tokens }) =>
          (Number.isInteger(tokens) && tokens > 0) ||
          '--micro-batch-tokens: expected a whole number above 0.',
      )
      .example('$0 score --model checkpoints/mini --data responses.jsonl --out scores.jsonl', ''),
  handler: async (args) => {
    const { Gpu } = await import('../../gpu/gpu.ts');
    const { FROZEN } = await import('../../model/qwen2_5_vl.ts');
    const { Policy } = await import('../../rollout/policy.ts');
    const { log } = await import('../../util/log.ts');
    const { writeRows } = await import('../row-files.ts');
    const { scoreRows } = await import('../score-rows.ts');
    const { integerLayout } = await import('../../model/quantize.ts');
    const { quantization: format, quantizationGroup, quantizationScales } = args;
    const quantization = integerLayout(format, quantizationGroup, quantizationScales);
    const settings = { ...FROZEN, quantization };
    const load = async () => Policy.load(await Gpu.open(args.adapter), args.model, settings);
    const count = await writeRows(
      args.out,
      scoreRows(args.data, load, {
        temperature: args.temperature,
        imageDir: args.imageDir,
        systemPrompt: systemPrompt(args.systemPrompt),
        maxRows: args.microBatchTokens,
      }),
    );
    log.info(`${count} rows scored: ${args.out}`);
  },
};

/** `wethink bench`: the project's benchmarks. */
import { dirname } from 'node:path';
import type { CommandModule } from 'yargs';
import { PARTS, SCALES, type Part, type Scale } from '../../bench/parts.ts';
import type { AdapterChoice } from '../../gpu/adapter.ts';
import { adapterOption } from '../options.ts';

interface BenchArgs {
  benchmark: 'rollout';
  model: string;
  adapter: AdapterChoice;
  responses: number;
  tokens: number;
  runs: number;
  peer: string;
  only: string;
  scale: number;
  json: boolean;
  out: string | undefined;
}

const COUNTS = ['responses', 'tokens', 'runs'] as const;

export const benchCommand: CommandModule<object, BenchArgs> = {
  command: 'bench <benchmark>',
  describe: 'Measure speed against others, in one run',
  builder: (yargs) =>
    yargs
      .positional('benchmark', {
        choices: ['rollout'] as const,
        demandOption: true,
        describe: 'What to measure',
      })
      .option('model', { type: 'string', default: 'checkpoints/mini', describe: 'Hugging Face folder' })
      .option('adapter', adapterOption)
      .option('responses', { type: 'number', default: 32, describe: 'Responses in flight' })
      .option('tokens', { type: 'number', default: 64, describe: 'Tokens of each response' })
      .option('runs', { type: 'number', default: 5, describe: 'Rounds, after a warm-up' })
      .option('peer', {
        type: 'string',
        default: 'python3',
        describe: 'Python with torch and transformers, to compare with; none: no comparison',
      })
      .option('only', {
        type: 'string',
        default: PARTS.join(','),
        describe: 'Parts to measure: tokens per second, cost on the host, traffic of weights, a large model',
      })
      .option('scale', {
        choices: SCALES,
        default: 1,
        describe: 'Divide the widths of published models, for a try on a small machine',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print JSON' })
      .option('out', { type: 'string', describe: 'Write the JSON to this file as well' })
      .check((args) => {
        const wrong = COUNTS.find((name) => !(Number.isInteger(args[name]) && args[name] >= 1));
        if (wrong !== undefined) return `--${wrong}: expected a whole number above 0.`;
        const unknown = args.only.split(',').find((part) => !PARTS.some((known) => known === part));
        return (
          unknown === undefined ||
          `--only: expected some of ${PARTS.join(', ')}, found ${unknown || 'nothing'}.`
        );
      })
      .example('$0 bench rollout --adapter system --out bench/results/rollout.json', '')
      .example('$0 bench rollout --only tokens,host --runs 3 --peer none', 'without Python'),
  handler: async ({ peer, only, scale, json, out, ...args }) => {
    const { benchRollout } = await import('../../bench/rollout-bench.ts');
    const { formatReport } = await import('../../bench/format-report.ts');
    const { ensureWritableFolder, writeFileAtomic } = await import('../../io/atomic.ts');
    if (out !== undefined) await ensureWritableFolder(dirname(out));
    const report = await benchRollout({
      model: args.model,
      adapter: args.adapter,
      responses: args.responses,
      tokens: args.tokens,
      runs: args.runs,
      python: peer === 'none' ? undefined : peer,
      parts: only.split(',') as Part[],
      scale: scale as Scale,
    });
    const text = `${JSON.stringify(report, null, 2)}\n`;
    if (out !== undefined) await writeFileAtomic(out, text);
    process.stdout.write(json ? text : formatReport(report));
  },
};

/** `wethink bench`: the project's benchmarks. */
import { dirname } from 'node:path';
import type { CommandModule } from 'yargs';
import {
  ROLLOUT_PARTS,
  SCALES,
  TRAIN_PARTS,
  type RolloutPart,
  type Scale,
  type TrainPart,
} from '../../bench/parts.ts';
import type { RolloutBenchOptions } from '../../bench/rollout-bench.ts';
import type { TrainBenchOptions } from '../../bench/train-bench.ts';
import type { AdapterChoice } from '../../gpu/adapter.ts';
import { adapterOption, MODEL_HELP } from '../options.ts';

const PARTS = { rollout: ROLLOUT_PARTS, train: TRAIN_PARTS } as const;
type Benchmark = keyof typeof PARTS;

interface BenchArgs {
  benchmark: Benchmark;
  model: string;
  adapter: AdapterChoice;
  responses: number;
  tokens: number;
  runs: number;
  peer: string;
  only: string | undefined;
  scale: number;
  json: boolean;
  out: string | undefined;
}

const COUNTS = ['responses', 'tokens', 'runs'] as const;

export const benchCommand: CommandModule<object, BenchArgs> = {
  command: 'bench <benchmark>',
  describe: 'Measure speed and memory, beside others in one run',
  builder: (yargs) =>
    yargs
      .positional('benchmark', {
        choices: Object.keys(PARTS) as Benchmark[],
        demandOption: true,
        describe: 'What to measure',
      })
      .option('model', { type: 'string', default: 'checkpoints/mini', describe: MODEL_HELP })
      .option('adapter', adapterOption)
      .option('responses', { type: 'number', default: 32, describe: 'rollout: responses in flight' })
      .option('tokens', { type: 'number', default: 64, describe: 'rollout: tokens of each response' })
      .option('runs', { type: 'number', default: 5, describe: 'Rounds, after a warm-up' })
      .option('peer', {
        type: 'string',
        default: 'python3',
        describe: 'Python with torch and transformers, to compare with; none: no comparison',
      })
      .option('only', {
        type: 'string',
        defaultDescription: 'all',
        describe: `Parts to measure. rollout: ${ROLLOUT_PARTS.join(',')}; train: ${TRAIN_PARTS.join(',')}`,
      })
      .option('scale', {
        choices: SCALES,
        default: 1,
        describe: 'Divide the widths of published models, for a try on a small machine',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print JSON' })
      .option('out', { type: 'string', describe: 'Write the JSON to this file as well' })
      .check(({ benchmark, only, ...args }) => {
        const wrong = COUNTS.find((name) => !(Number.isInteger(args[name]) && args[name] >= 1));
        if (wrong !== undefined) return `--${wrong}: expected a whole number above 0.`;
        const parts: readonly string[] = PARTS[benchmark];
        const unknown = only?.split(',').find((part) => !parts.includes(part));
        return (
          unknown === undefined ||
          `--only: expected some of ${parts.join(', ')}, found ${unknown || 'nothing'}.`
        );
      })
      .example('$0 bench rollout --adapter system --out bench/results/rollout.json', '')
      .example('$0 bench train --only matmul,memory --peer none', 'parts of it, without Python'),
  handler: async ({ benchmark, peer, only, scale, json, out, ...args }) => {
    const { ensureWritableFolder, writeFileAtomic } = await import('../../io/atomic.ts');
    if (out !== undefined) await ensureWritableFolder(dirname(out));
    const options = {
      model: args.model,
      adapter: args.adapter,
      runs: args.runs,
      python: peer === 'none' ? undefined : peer,
      scale: scale as Scale,
    };
    const parts: readonly string[] = only?.split(',') ?? PARTS[benchmark];
    const { report, text } =
      benchmark === 'rollout'
        ? await rollout({
            ...options,
            responses: args.responses,
            tokens: args.tokens,
            parts: parts as RolloutPart[],
          })
        : await train({ ...options, parts: parts as TrainPart[] });
    const written = `${JSON.stringify(report, null, 2)}\n`;
    if (out !== undefined) await writeFileAtomic(out, written);
    process.stdout.write(json ? written : text);
  },
};

async function rollout(options: RolloutBenchOptions) {
  const { benchRollout } = await import('../../bench/rollout-bench.ts');
  const { formatRolloutReport } = await import('../../bench/format-rollout.ts');
  const report = await benchRollout(options);
  return { report, text: formatRolloutReport(report) };
}

async function train(options: TrainBenchOptions) {
  const { benchTrain } = await import('../../bench/train-bench.ts');
  const { formatTrainReport } = await import('../../bench/format-train.ts');
  const report = await benchTrain(options);
  return { report, text: formatTrainReport(report) };
}

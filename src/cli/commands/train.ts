/** `wethink train`: a GRPO run. */
import type { CommandModule } from 'yargs';
import { configPositional, overridesPositional } from '../options.ts';

interface TrainArgs {
  config: string;
  overrides: string[];
  resume: string | undefined;
  'dry-run': boolean;
  profile: boolean;
  json: boolean;
}

export const trainCommand: CommandModule<object, TrainArgs> = {
  command: 'train <config> [overrides..]',
  describe: 'Train a policy with GRPO',
  builder: (yargs) =>
    yargs
      .positional('config', configPositional)
      .positional('overrides', overridesPositional)
      .option('resume', {
        type: 'string',
        describe: "Go on from the run's latest checkpoint, or with --resume=DIR from that step folder",
      })
      .option('dry-run', {
        type: 'boolean',
        default: false,
        describe: 'Check configuration, data and model, then stop before the first step',
      })
      .option('profile', {
        type: 'boolean',
        default: false,
        describe: 'Time every kernel of the third step and list the slowest',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print the summary as JSON' })
      .example('$0 train configs/quickstart.yaml', 'the run of the quickstart')
      .example('$0 train configs/quickstart.yaml rollout.n=16 optim.lr=3e-5', 'with other settings')
      .example('$0 train configs/quickstart.yaml --resume', 'go on where it stopped'),
  handler: async ({ config: configFile, overrides, resume, dryRun, profile, json }) => {
    const { loadConfig } = await import('../../config/load.ts');
    const config = await loadConfig(configFile, overrides);
    const { runTraining } = await import('../../train/loop.ts');
    const summary = await runTraining(config, {
      configFile,
      // A bare --resume arrives as an empty text.
      ...(resume === undefined ? {} : { resume: resume === '' ? true : resume }),
      dryRun,
      profile,
    });
    const { printSummary } = await import('../train-summary.ts');
    printSummary(summary, json);
  },
};

/** `wethink sft`: supervised warm-up. */
import type { CommandModule } from 'yargs';
import { configPositional, overridesPositional } from '../options.ts';

interface SftArgs {
  config: string;
  overrides: string[];
  json: boolean;
}

export const sftCommand: CommandModule<object, SftArgs> = {
  command: 'sft <config> [overrides..]',
  describe: 'Train a policy on given reasoning and answers (supervised warm-up)',
  builder: (yargs) =>
    yargs
      .positional('config', configPositional)
      .positional('overrides', overridesPositional)
      .option('json', { type: 'boolean', default: false, describe: 'Print the summary as JSON' })
      .example('$0 sft configs/mini_sft.yaml', 'how the model of the quickstart was made')
      .example('$0 sft configs/mini_sft.yaml trainer.max_steps=20', 'a first look'),
  handler: async ({ config: file, overrides, json }) => {
    const { loadConfig } = await import('../../config/load.ts');
    const config = await loadConfig(file, overrides);
    const { runSft } = await import('../../train/sft.ts');
    const { printSummary } = await import('../train-summary.ts');
    printSummary(await runSft(config), json);
  },
};

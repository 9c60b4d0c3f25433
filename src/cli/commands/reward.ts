/** `wethink reward`: the rewards of given responses. */
import type { CommandModule } from 'yargs';
import { overridesPositional } from '../options.ts';

interface RewardArgs {
  data: string;
  out: string;
  overrides: string[];
}

export const rewardCommand: CommandModule<object, RewardArgs> = {
  command: 'reward [overrides..]',
  describe: 'Reward given responses',
  builder: (yargs) =>
    yargs
      .positional('overrides', overridesPositional)
      .option('data', {
        type: 'string',
        demandOption: true,
        describe: 'JSONL of WeThink rows (problem, answer, category, reward), each with a "response"',
      })
      .option('out', {
        type: 'string',
        demandOption: true,
        describe: 'JSONL to write: id, reward, parts, method, extracted',
      })
      .example('$0 reward --data responses.jsonl --out rewards.jsonl', 'with the weights 0.7 and 0.3')
      .example(
        '$0 reward --data r.jsonl --out o.jsonl reward.number_tolerance=0.01',
        'numbers may be off by 1 %',
      ),
  handler: async ({ data, out, overrides }) => {
    const { rewardRows } = await import('../reward-rows.ts');
    const { writeRows } = await import('../row-files.ts');
    const { log } = await import('../../util/log.ts');
    const count = await writeRows(out, rewardRows(data, overrides));
    log.info(`${count} rows rewarded: ${out}`);
  },
};

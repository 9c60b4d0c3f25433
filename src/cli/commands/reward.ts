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
        describe: 'JSONL to write: id, reward, parts, method, extracted, source, note',
      })
      .example('$0 reward --data responses.jsonl --out rewards.jsonl', 'with the weights 0.7 and 0.3')
      .example(
        '$0 reward --data r.jsonl --out o.jsonl reward.number_tolerance=0.01',
        'numbers may be off by 1 %',
      )
      .example(
        '$0 reward --data r.jsonl --out o.jsonl reward.judge.base_url=http://localhost:8000/v1 reward.judge.model=qwen',
        'free answers go to a judge',
      ),
  handler: async ({ data, out, overrides }) => {
    const { emptyTotals, rewardRows } = await import('../reward-rows.ts');
    const { writeRows } = await import('../row-files.ts');
    const { log } = await import('../../util/log.ts');
    const totals = emptyTotals();
    await writeRows(out, rewardRows(data, overrides, totals));
    const { rows, unknown, sum, methods, counters } = totals;
    log.info(`${rows} rows rewarded: ${out}`);
    if (rows > unknown) log.info(`mean reward  ${(sum / (rows - unknown)).toFixed(3)}`);
    if (unknown > 0) log.info(`not known    ${unknown} (the assessment failed; reward is null)`);
    log.info(`judged by    ${list(methods)}`);
    const counted = Object.entries(counters).filter(([, value]) => value > 0);
    if (counted.length > 0) log.info(`counters     ${list(counted)}`);
  },
};

function list(entries: Iterable<[string, number]>): string {
  return [...entries].map(([name, value]) => `${name} ${Number(value.toFixed(2))}`).join(', ');
}

/**
 * The quickstart: makes the digit questions, trains the mini model on them with GRPO, and prints what came of it.
 * Arguments are overrides of configs/quickstart.yaml, such as `trainer.max_steps=20`.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { loadConfig } from '../src/config/load.ts';
import type { Config } from '../src/config/schema.ts';
import { runTraining } from '../src/train/loop.ts';
import { meanOf, metricPoints, readMetrics, type StepMetrics } from '../src/train/report-data.ts';
import { writeReport } from '../src/train/report.ts';
import { RunFolder, stepName } from '../src/train/run-folder.ts';
import { WethinkError } from '../src/util/errors.ts';
import { makeDigits } from './make-digits.ts';

const CONFIG_FILE = 'configs/quickstart.yaml';
const DATA_FOLDER = 'data/digits';
const REPORT_FILE = 'report.html';
/** Steps whose mean reward is compared: the first ten with the last ten. */
const WINDOW = 10;
const LABEL_WIDTH = 'reward_model'.length;

async function quickstart(overrides: readonly string[]): Promise<void> {
  const started = performance.now();
  if (!existsSync(join(DATA_FOLDER, 'rl.jsonl'))) {
    console.log('Drawing questions about handwritten digits ...');
    await makeDigits(DATA_FOLDER, { rows: { sft: 0 } });
  }
  const config = freshExperiment(await loadConfig(CONFIG_FILE, overrides));
  const { folder, step, before, after } = await runTraining(config, { configFile: CONFIG_FILE });
  await writeReport(folder, REPORT_FILE, { title: 'WeThink on WebGPU: the quickstart' });

  const metrics = await readMetrics(folder);
  const rewards = metricPoints(metrics, 'reward/overall');
  console.log('\nRollouts of the last step, one of each verifier and of the reward model:');
  for (const line of await rolloutLines(folder, step)) console.log(`  ${line}`);
  console.log(
    `\nmean reward        ${meanOf(rewards.slice(0, WINDOW)).toFixed(3)} (first ${WINDOW} steps) -> ` +
      `${meanOf(rewards.slice(-WINDOW)).toFixed(3)} (last ${WINDOW} steps)`,
  );
  for (const line of accuracyLines(metrics)) console.log(line);
  if (before && after) console.log(`held-out accuracy  ${percent(before)} -> ${percent(after)}`);
  console.log(`time               ${((performance.now() - started) / 60_000).toFixed(1)} min`);
  console.log(`run                ${folder}`);
  console.log(`report             ${relative(process.cwd(), resolve(REPORT_FILE))}`);
}

/** A run of its own each time: quickstart, quickstart-2, ... */
function freshExperiment(config: Config): Config {
  const name = config.trainer.experiment_name;
  let candidate = config;
  for (let i = 2; existsSync(RunFolder.pathOf(candidate)); i++) {
    candidate = { ...config, trainer: { ...config.trainer, experiment_name: `${name}-${i}` } };
  }
  return candidate;
}

interface RolloutLine {
  problem: string;
  answer: string;
  group: { response: string; reward: number | null; method: string }[];
}

/** The first response that each method judged. */
async function rolloutLines(folder: string, step: number): Promise<string[]> {
  const text = await readFile(join(folder, 'rollouts', `${stepName(step)}.jsonl`), 'utf8');
  const groups = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RolloutLine);
  const firstOfEach = Map.groupBy(groups, ({ group }) => group[0]!.method);
  return [...firstOfEach].map(([method, [first]]) => {
    const { problem, answer, group } = first!;
    const { response, reward } = group[0]!;
    const question = problem.replace('\n<image>', '');
    const score = reward === null ? 'none' : reward.toFixed(2);
    return `${method.padEnd(LABEL_WIDTH)} ${score}  ${question} [${answer}]  ${response}`;
  });
}

/** Accuracy by what judged it, in the first and the last steps. */
function accuracyLines(metrics: readonly StepMetrics[]): string[] {
  const prefix = 'reward/accuracy/';
  const names = new Set(metrics.flatMap(({ values }) => [...values.keys()]));
  return [...names]
    .filter((name) => name.startsWith(prefix))
    .sort()
    .map((name) => {
      const points = metricPoints(metrics, name);
      const ends = [points.slice(0, WINDOW), points.slice(-WINDOW)].map((part) => meanOf(part).toFixed(3));
      return `  by ${name.slice(prefix.length).padEnd(LABEL_WIDTH)}   ${ends.join(' -> ')}`;
    });
}

function percent(metrics: Readonly<Record<string, number>>): string {
  return `${(metrics['val/accuracy_reward']! * 100).toFixed(1)} %`;
}

try {
  await quickstart(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof WethinkError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}

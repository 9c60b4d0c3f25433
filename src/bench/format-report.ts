/** The report of the benchmark as text. */
import type { Rounds } from './median.ts';
import type { Absent } from './peer.ts';
import type { RolloutBenchReport } from './rollout-bench.ts';

/** What was measured, its median, and the least and the most of the rounds where they are known. */
type Row = readonly [name: string, median: string, spread: string];

/** @returns lines, each with its end */
export function formatReport(report: RolloutBenchReport): string {
  const { adapter, cpu, cores, load, date, versions } = report.machine;
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${adapter.name} (${adapter.kind}); ${cpu}, ${cores} cores, load ${load.toFixed(1)}; ${date}`,
    software.join(', '),
    '',
    ...table([...tokens(report), ...host(report), ...traffic(report), ...large(report)]),
    '',
  ].join('\n');
}

function tokens({ tokens: result }: RolloutBenchReport): Row[] {
  if (!result) return [];
  const { tokensPerSecond, ratio, responses, tokens } = result;
  return [
    [`tokens/s, ${responses} responses of ${tokens}: engine`, ...figures(tokensPerSecond.engine)],
    ['  TensorFlow.js operations', ...figures(tokensPerSecond.tfjs)],
    ['  transformers on the CPU', ...figures(tokensPerSecond.transformers)],
    ['  engine / TensorFlow.js', ...figures(ratio.tfjs)],
    ['  engine / transformers', ...figures(ratio.transformers)],
  ];
}

function host({ host: result }: RolloutBenchReport): Row[] {
  if (!result) return [];
  return [
    ['host: dispatches of a decode step', number(result.dispatchesPerStep), ''],
    ['  JavaScript of a dispatch, µs', ...figures(result.encodeMicroseconds)],
    ['  its submission, µs', ...figures(result.submitMicroseconds)],
    [
      '  objects created while replaying',
      number(result.created),
      `${result.stagingBuffers} buffers for reads`,
    ],
  ];
}

function traffic({ traffic: result }: RolloutBenchReport): Row[] {
  if (!result) return [];
  const { model, weightBytes } = result;
  return [
    [
      `weights of ${model.layers} layers of width ${model.hidden}, ${model.format}`,
      `${number(weightBytes / 1e9)} GB`,
      '',
    ],
    ['  decoding one response, GB/s', ...figures(result.decodeGBps)],
    ['  plain copy, GB/s', ...figures(result.copyGBps)],
    ['  decoding / copy', number(result.ratio), ''],
  ];
}

function large({ large: result }: RolloutBenchReport): Row[] {
  if (!result) return [];
  if ('skipped' in result) return [['large', 'skipped', result.skipped]];
  return result.batches.flatMap((batch): Row[] => [
    [`tokens/s of the large model, ${batch.responses} responses`, ...figures(batch.tokensPerSecond.engine)],
    ['  transformers on the GPU', ...figures(batch.tokensPerSecond.transformers)],
    ['  engine / transformers', ...figures(batch.ratio)],
    ['  bandwidth bound, tokens/s', number(batch.boundTokensPerSecond), ''],
    [
      '  share of the bound',
      number(batch.boundShare),
      `${number(batch.decodeBoundShare)} without the prompts`,
    ],
  ]);
}

function figures(result: Rounds | Absent): [string, string] {
  if ('absent' in result) return ['absent', result.absent.replaceAll(/\s+/g, ' ')];
  const { median, rounds } = result;
  return [number(median), `${number(Math.min(...rounds))} to ${number(Math.max(...rounds))}`];
}

/** Three digits, and all those before the point. */
function number(value: number): string {
  return Math.abs(value) >= 100 || value === 0 ? value.toFixed(0) : value.toPrecision(3);
}

/** Lines of aligned columns. */
function table(rows: readonly Row[]): string[] {
  const [first, second] = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map(([name, median, spread]) =>
    `${name.padEnd(first!)}  ${median.padStart(second!)}  ${spread}`.trimEnd(),
  );
}

/** The report of the benchmark of rollouts as text. */
import { figures, formatTable, number, type Row } from './format-table.ts';
import type { RolloutBenchReport } from './rollout-bench.ts';

/** @returns lines, each with its end */
export function formatRolloutReport(report: RolloutBenchReport): string {
  return formatTable(report.machine, [
    ...tokens(report),
    ...host(report),
    ...traffic(report),
    ...large(report),
  ]);
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

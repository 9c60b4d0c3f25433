/** The report of the benchmark of training as text. */
import { gigabytes } from '../util/gigabytes.ts';
import { figures, formatTable, number, type Row } from './format-table.ts';
import type { TrainBenchReport } from './train-bench.ts';

/** @returns lines, each with its end */
export function formatTrainReport(report: TrainBenchReport): string {
  return formatTable(report.machine, [
    ...matmul(report),
    ...prefix(report),
    ...head(report),
    ...memory(report),
    ...steps(report),
  ]);
}

function matmul({ matmul: results = [] }: TrainBenchReport): Row[] {
  return results.flatMap(({ rows, inner, outer, product, gflops, ratio }): Row[] => [
    [`${product}, ${rows} x ${inner} x ${outer}, GFLOP/s`, ...figures(gflops.own)],
    ['  TensorFlow.js', ...figures(gflops.tfjs)],
    ['  ratio', ...figures(ratio)],
  ]);
}

function prefix({ prefix: result }: TrainBenchReport): Row[] {
  if (!result) return [];
  const { group, promptTokens, responseTokens, rows, seconds, speedup } = result;
  return [
    [
      `pass of ${group} responses of ${responseTokens} to a prompt of ${promptTokens}, s`,
      ...figures(seconds.shared),
    ],
    [
      `  with the prompt once a response (${rows.repeated} rows, not ${rows.shared}), s`,
      ...figures(seconds.repeated),
    ],
    ['  times as long', ...figures(speedup)],
  ];
}

function head({ head: result }: TrainBenchReport): Row[] {
  if (!result) return [];
  const { vocabulary, width, tokens, logitsBytes, sliceBytes, inputBytes, peakBytes, ratio, seconds } =
    result;
  return [
    [
      `head of ${vocabulary} x ${width} for ${tokens} tokens, memory beside the weight`,
      gigabytes(peakBytes),
      '',
    ],
    ['  slice of the weight and hidden states', gigabytes(sliceBytes + inputBytes), `${number(ratio)} times`],
    ['  all logits would take', gigabytes(logitsBytes), ''],
    ['  forward and backward, s', number(seconds), ''],
  ];
}

function memory({ memory: checks = [] }: TrainBenchReport): Row[] {
  return checks.map(({ name, plannedBytes, measuredBytes, ratio }) => [
    `memory planned, ${name}`,
    gigabytes(plannedBytes),
    `measured ${gigabytes(measuredBytes)}, ratio ${ratio.toFixed(4)}`,
  ]);
}

function steps({ step: results = [] }: TrainBenchReport): Row[] {
  return results.flatMap((result): Row[] => {
    const { name, prompts, group, promptTokens, responseTokens, seconds, tokensPerSecond, peer } = result;
    return [
      [
        `step, ${name}: ${prompts} prompts of ${promptTokens}, ${group} responses of ${responseTokens}, s`,
        ...figures(seconds.step),
      ],
      ['  sampling, s', ...figures(seconds.sampling)],
      ['  reference, s', ...figures(seconds.reference)],
      ['  update, s', ...figures(seconds.update)],
      ['  sampled tokens/s', ...figures(tokensPerSecond.sampling)],
      ['  updated tokens/s', ...figures(tokensPerSecond.update)],
      ['  memory', gigabytes(result.peakBytes), `planned ${gigabytes(result.plannedBytes)}`],
      ...('absent' in peer
        ? [['  PyTorch', 'absent', peer.absent] as const]
        : ([
            ['  PyTorch: sampling, s', number(peer.samplingSeconds), ''],
            ['  PyTorch: reference, s', number(peer.referenceSeconds), ''],
            ['  PyTorch: update, s', number(peer.updateSeconds), ''],
            ['  PyTorch: memory', peer.peakBytes === null ? 'unknown' : gigabytes(peer.peakBytes), ''],
          ] as const)),
      ...(typeof result.updateRatio === 'number'
        ? [['  updated tokens/s over PyTorch', number(result.updateRatio), ''] as const]
        : []),
    ];
  });
}

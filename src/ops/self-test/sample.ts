import { philox } from '../../util/random.ts';
import { advance, sampleTokens } from '../sample.ts';
import { createSampleState, startSlots, freeSampleState } from '../sample-state.ts';
import { hostTensor, type KernelTest, upload } from './case.ts';
import { product } from './linear.ts';
import { launchSampleOptions } from './sample-options.ts';

/** More columns than one part (512). The last slot is not in use. */
const [SLOTS, D, V, T] = [3, 4, 519, 2];
const TEMPERATURE = 0.7;
const [SEED, STEP] = [4_000_000_000, 7];
const STARTS = [
  { slot: 0, input: 7, promptId: 5, responseId: 0, promptRows: [0, 3], ownRow: 9, position: 3, maxLength: 2 },
  {
    slot: 1,
    input: 7,
    promptId: 5,
    responseId: 1,
    promptRows: [0, 3],
    ownRow: 11,
    position: 3,
    maxLength: 2,
  },
] as const;

/** Choices and counters are exact; log-probabilities are sums of 519 exponentials. */
const TOLERANCE = 1e-5;

export const sampleTest: KernelTest = {
  name: 'sample',
  kernels: [
    'sample/sample_parts',
    'sample/settle_tokens',
    'sample/advance_slots',
    'sample/adjust_logits',
    'sample/begin_cut',
    'sample/weigh_chunks',
    'sample/fold_weights',
    'sample/narrow_cut',
    'sample/mark_seen',
  ],
  tolerance: TOLERANCE,
  launch: (atEnd) => {
    const hidden = hostTensor([SLOTS, D], 1);
    const table = hostTensor([V, D], 2);
    const x = product(hidden.values, table.values, undefined, D).map((logit) => logit / TEMPERATURE);
    // What slot 0 would choose is banned, what slot 1 chooses ends it.
    const banned = [draw(x, 0, -1)];
    const chosen = Array.from({ length: SLOTS }, (_, slot) => draw(x, slot, banned[0]!));
    const [first, second] = [chosen[0]!, chosen[1]!];

    const state = createSampleState({ slots: SLOTS, maxTokens: T, endTokens: [second], banned });
    atEnd(() => freeSampleState(state));
    startSlots(state, STARTS, SEED, STEP);
    const weight = { tensor: upload(table), format: 'f32', shape: [V, D] } as const;
    sampleTokens(upload(hidden), weight, state, { temperature: TEMPERATURE });
    advance(state);
    return [
      {
        label: 'log-probabilities',
        actual: state.logprobsOut_BT,
        expected: [first, second]
          .flatMap((token, slot) => [x[slot * V + token]! - logSumExp(row(x, slot)), 0])
          .concat([0, 0]),
      },
      { label: 'responses', actual: state.tokensOut_BT, expected: [first, 0, second, 0, 0, 0] },
      { label: 'lengths', actual: state.length_B, expected: [1, 1, 0] },
      { label: 'active slots', actual: state.active_B, expected: [1, 0, 0] },
      { label: 'next tokens', actual: state.tokens_B, expected: [first, second, 0] },
      { label: 'next cache rows', actual: state.cacheRow_B, expected: [9, 11, -1] },
      { label: 'next positions', actual: state.positions_3B, expected: [3, 3, 0, 3, 3, 0, 3, 3, 0] },
      { label: 'next ranges', actual: state.ranges_B4, expected: [0, 3, 9, 10, 0, 3, 11, 12, 0, 0, 0, 0] },
      ...launchSampleOptions(atEnd),
    ];
  },
};

function row(x: Float64Array, slot: number): Float64Array {
  return x.subarray(slot * V, (slot + 1) * V);
}

function logSumExp(values: Float64Array): number {
  return Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));
}

/** The token with the largest sum of x and Gumbel noise, `banned` aside. */
function draw(x: Float64Array, slot: number, banned: number): number {
  const start = STARTS[slot];
  // A slot that was never started has keys of zeros.
  const [key, response]: [[number, number], [number, number]] = start
    ? [
        [SEED, STEP],
        [start.promptId, start.responseId],
      ]
    : [
        [0, 0],
        [0, 0],
      ];
  const scores = row(x, slot).map((value, v) => {
    const word = philox(key, [...response, 0, Math.floor(v / 4)])[v % 4]!;
    return v === banned ? -Infinity : value - Math.log(-Math.log1p(-(word + 0.5) / 2 ** 32));
  });
  return scores.indexOf(scores.reduce((a, b) => Math.max(a, b)));
}

/** Two steps of one slot with a penalty, top-k and top-p. */
import { philox } from '../../util/random.ts';
import { advance, sampleTokens } from '../sample.ts';
import { createSampleState, startSlots, freeSampleState } from '../sample-state.ts';
import { hostTensor, upload, type Check, type HostTensor } from './case.ts';
import { product } from './linear.ts';

/** More columns than a group of chunks (32 of 128). */
const [D, V] = [4, 4099];
/** A penalty below 1 favours what occurred: the second token depends on the first. */
const [PENALTY, TOP_K, TOP_P] = [0.25, 20, 0.5];
const PROMPT_TOKENS = [0, 100, 4098];
const START = {
  slot: 0,
  input: 0,
  promptId: 3,
  responseId: 1,
  promptRows: [0, 1],
  ownRow: 1,
  position: 1,
  maxLength: 2,
} as const;

/** Runs both steps; their tokens are exact. */
export function launchSampleOptions(atEnd: (free: () => void) => void): Check[] {
  const hidden = hostTensor([1, D], 4);
  const table = hostTensor([V, D], 5);
  const seen = new Set(PROMPT_TOKENS);
  const expected = [0, 1].map((position) => {
    const token = draw(penalised(hidden, table, seen), position);
    seen.add(token);
    return token;
  });

  const state = createSampleState({ slots: 1, maxTokens: 2, endTokens: [], banned: [], seenVocabulary: V });
  atEnd(() => freeSampleState(state));
  startSlots(state, [{ ...START, promptTokens: PROMPT_TOKENS }], 1, 2);
  const weight = { tensor: upload(table), format: 'f32', shape: [V, D] } as const;
  for (let step = 0; step < 2; step++) {
    const options = { temperature: 1, repetitionPenalty: PENALTY, topK: TOP_K, topP: TOP_P };
    sampleTokens(upload(hidden), weight, state, options);
    advance(state);
  }
  return [{ label: 'tokens under penalty, top-k and top-p', actual: state.tokensOut_BT, expected }];
}

function penalised(hidden: HostTensor, table: HostTensor, seen: ReadonlySet<number>): Float64Array {
  const penalty = (x: number) => (x < 0 ? x * PENALTY : x / PENALTY);
  return product(hidden.values, table.values, undefined, D).map((x, v) => (seen.has(v) ? penalty(x) : x));
}

/** The id with the largest sum of x and Gumbel noise among those that top-k and top-p keep. */
function draw(x: Float64Array, position: number): number {
  const ids = [...x.keys()].sort((a, b) => x[b]! - x[a]!).slice(0, TOP_K);
  const masses = ids.map((v) => Math.exp(x[v]!));
  const goal = TOP_P * masses.reduce((a, b) => a + b);
  let above = 0;
  const scores = ids.map((v, rank) => {
    const isKept = above < goal;
    above += masses[rank]!;
    const words = philox([1, 2], [START.promptId, START.responseId, position, Math.floor(v / 4)]);
    return isKept ? x[v]! - Math.log(-Math.log1p(-(words[v % 4]! + 0.5) / 2 ** 32)) : -Infinity;
  });
  return ids[scores.indexOf(Math.max(...scores))]!;
}

/** How large a decode session must be for a batch of requests, and may be within the memory budget. */
import type { ModelArchitecture } from '../model/config.ts';
import type { RolloutRequest } from './rollout.ts';

export interface SessionShape {
  /** Responses in flight. */
  slots: number;
  maxTokens: number;
  /** Cache rows for prompts. */
  promptRows: number;
  /** Rows of the longest prompt. */
  longestPrompt: number;
  /** Keeps which tokens occurred, as a repetition penalty needs it. */
  marksSeen: boolean;
}

export interface ShapeLimits {
  /** Responses in flight at once. */
  maxSequences: number;
  /** Rows of one prefill pass. */
  maxRows: number;
  /** Bytes that the KV cache may take. */
  cacheBytes: number;
  /** Bytes that a kernel sees of a tensor: the keys, or the values, of a layer. */
  bindingBytes: number;
}

/** Prompts are counted in steps of so many rows, so that plans outlive small differences. */
const PROMPT_ROW_MULTIPLE = 512;
/** Passes whose prompts may lie in the cache ahead of their responses. */
const PREFILL_PASSES_AHEAD = 2;

/** Bytes of the KV cache. */
export function cacheBytes({ text }: ModelArchitecture, shape: SessionShape): number {
  const rows = shape.promptRows + shape.slots * shape.maxTokens;
  return rows * text.layers * 2 * text.kvHeads * text.headDim * 4;
}

/**
 * The shape for these requests. Where the cache or a binding has too little room for all the responses that may be in
 * flight, there are fewer slots, and the other responses wait; with a single one it is what it is.
 */
export function sessionShape(
  architecture: ModelArchitecture,
  requests: readonly RolloutRequest[],
  sampling: Pick<SessionShape, 'maxTokens' | 'marksSeen'>,
  limits: ShapeLimits,
): SessionShape {
  const responses = requests.reduce((sum, { count }) => sum + count, 0);
  const longest = requests.reduce((most, { prompt }) => Math.max(most, prompt.tokens.length), 0);
  for (let inFlight = Math.min(responses, limits.maxSequences); ; inFlight = Math.floor(inFlight / 2)) {
    const shape = {
      ...sampling,
      slots: slotsFor(inFlight),
      promptRows: roundUp(promptRows(requests, { ...limits, maxSequences: inFlight }), PROMPT_ROW_MULTIPLE),
      longestPrompt: roundUp(longest, PROMPT_ROW_MULTIPLE),
    };
    const bytes = cacheBytes(architecture, shape);
    const fits = bytes <= limits.cacheBytes && bytes / (2 * architecture.text.layers) <= limits.bindingBytes;
    if (inFlight <= 1 || fits) return shape;
  }
}

/** Slots for so many responses: the matrix kernels take one, two, four or any eights of rows at the same price. */
function slotsFor(responses: number): number {
  return [1, 2, 4].find((few) => responses <= few) ?? roundUp(responses, 8);
}

/** Room for the prompts of as many responses as there are slots, and for some passes of the next ones. */
function promptRows(requests: readonly RolloutRequest[], { maxSequences, maxRows }: ShapeLimits): number {
  const lengths = requests.map(({ prompt }) => prompt.tokens.length);
  const all = lengths.reduce((sum, length) => sum + length, 0);
  let inFlight = 0;
  for (let first = 0; first < requests.length; first++) {
    let [rows, slots] = [0, 0];
    for (let r = first; r < requests.length && slots < maxSequences; r++) {
      rows += lengths[r]!;
      slots += requests[r]!.count;
    }
    inFlight = Math.max(inFlight, rows);
  }
  return Math.min(all, inFlight + PREFILL_PASSES_AHEAD * maxRows);
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

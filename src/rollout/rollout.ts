/**
 * Rollouts: samples responses with a KV cache over the policy's own weights and kernels. A prompt is computed
 * once, whatever the number of its responses, and each sampled token carries its log-probability.
 */
import * as tf from '@tensorflow/tfjs';
import { packGroups, type PromptGroup } from '../model/packed-batch.ts';
import { microBatches, passGroups } from '../model/micro-batches.ts';
import { uploadBatch } from '../model/upload.ts';
import { gatherRows } from '../ops/embedding.ts';
import { advance, sampleTokens } from '../ops/sample.ts';
import { fillSlots, type SlotStart } from '../ops/sample-state.ts';
import type { Prompt } from '../processor/prompt.ts';
import { DecodeSession } from './decode-session.ts';
import type { Policy } from './policy.ts';

export interface RolloutRequest {
  prompt: Prompt;
  /** Responses wanted. */
  count: number;
}

export interface Sampling {
  /** 0 is greedy. */
  temperature: number;
  maxTokens: number;
  /** With the step, the request, the response and the position it keys the noise of each token. */
  seed: number;
  step: number;
}

export interface Response {
  /** Token ids, the end token included. */
  tokens: Int32Array;
  /** [T] log-probability of each token under the full softmax at the sampling temperature. */
  logprobs: Float32Array;
  /** [T] entropy of that softmax in nats. */
  entropies: Float32Array;
  text: string;
  end: 'stop' | 'length';
}

export interface EngineOptions {
  /** Sequence slots: responses in flight at once. */
  maxSequences: number;
  /** Rows of one prefill pass. */
  maxRows: number;
  /** False ignores end tokens, so that every response has `maxTokens` tokens. */
  stopAtEnd?: boolean;
}

/** One response of one request in a wave. */
interface Slot {
  request: number;
  response: number;
}

/** The tiles of the matrix kernels have eight rows. */
const SLOT_MULTIPLE = 8;
/** Prompt rows of the cache grow in steps of this, so that plans outlive small differences. */
const PROMPT_ROW_MULTIPLE = 512;

export class RolloutEngine {
  readonly #policy: Policy;
  readonly #options: EngineOptions;
  #session: DecodeSession | undefined;

  constructor(policy: Policy, options: EngineOptions) {
    this.#policy = policy;
    this.#options = options;
  }

  /**
   * @param onRequest hears of each request as soon as all its responses are there
   * @returns the responses of each request; they do not depend on how many are in flight at once
   */
  async generate(
    requests: readonly RolloutRequest[],
    sampling: Sampling,
    onRequest?: (request: number, responses: Response[]) => void,
  ): Promise<Response[][]> {
    const results: Response[][] = requests.map(() => []);
    const slots = requests.flatMap(({ count }, request) =>
      Array.from({ length: count }, (_, response) => ({ request, response })),
    );
    for (let first = 0; first < slots.length; first += this.#options.maxSequences) {
      const wave = slots.slice(first, first + this.#options.maxSequences);
      const responses = await this.#wave(requests, wave, sampling);
      wave.forEach(({ request, response }, i) => {
        results[request]![response] = responses[i]!;
        // Slots are in order: the last response of a request is the last to come.
        if (response === requests[request]!.count - 1) onRequest?.(request, results[request]!);
      });
    }
    return results;
  }

  dispose(): void {
    this.#session?.dispose();
    this.#session = undefined;
  }

  async #wave(
    requests: readonly RolloutRequest[],
    wave: readonly Slot[],
    sampling: Sampling,
  ): Promise<Response[]> {
    const { gpu } = this.#policy.model;
    const used = [...new Set(wave.map(({ request }) => request))];
    const prompts = used.map((request) => requests[request]!.prompt);
    const session = this.#sessionFor(wave.length, prompts, sampling.maxTokens);
    const { state } = session;
    const ends = cumulative(prompts.map(({ tokens }) => tokens.length));
    const promptOf = wave.map(({ request }) => used.indexOf(request));
    const starts = wave.map(({ request, response }, slot): SlotStart => {
      const p = promptOf[slot]!;
      const { length } = prompts[p]!.tokens;
      return {
        promptId: request,
        responseId: response,
        promptRows: [ends[p]! - length, ends[p]!],
        ownRow: session.ownRow(slot),
        position: length + prompts[p]!.ropeDelta,
        maxLength: sampling.maxTokens,
      };
    });
    fillSlots(state, starts, sampling.seed, sampling.step);
    this.#prefill(session, prompts, promptOf, sampling.temperature);

    const plan = session.plan(sampling.temperature);
    // A CPU driver computes finished slots in vain, a GPU would wait for the answer: check at their own pace.
    const stepsPerCheck = gpu.isSoftware ? 4 : 16;
    for (let done = 1; done < sampling.maxTokens; done += stepsPerCheck) {
      if (done > 1 && !(await gpu.readInts(state.active_B)).some((active) => active === 1)) break;
      gpu.replay(plan, Math.min(stepsPerCheck, sampling.maxTokens - done));
    }
    return this.#collect(session, wave.length);
  }

  /** A session that holds this wave; a new one when the last is too small. */
  #sessionFor(slotCount: number, prompts: readonly Prompt[], maxTokens: number): DecodeSession {
    const { model, tokenizer } = this.#policy;
    const promptRows = roundUp(
      prompts.reduce((sum, { tokens }) => sum + tokens.length, 0),
      PROMPT_ROW_MULTIPLE,
    );
    const lastPosition = Math.max(
      ...prompts.map(({ tokens, ropeDelta }) => tokens.length + Math.max(0, ropeDelta)),
    );
    model.rotary.cover(lastPosition + maxTokens, 0);
    const old = this.#session;
    const fits =
      old?.isCurrent &&
      old.shape.slots >= slotCount &&
      old.shape.slots < slotCount + SLOT_MULTIPLE &&
      old.shape.maxTokens === maxTokens &&
      old.shape.promptRows >= promptRows;
    if (fits) return old;
    old?.dispose();
    const shape = {
      slots: roundUp(slotCount, SLOT_MULTIPLE),
      maxTokens,
      promptRows: Math.max(promptRows, old?.shape.promptRows ?? 0),
    };
    const endTokens = this.#options.stopAtEnd === false ? [] : tokenizer.eosIds;
    this.#session = new DecodeSession(model, shape, endTokens, tokenizer.placeholderIds);
    return this.#session;
  }

  /** Computes the prompts into the cache and samples every slot's first token. */
  #prefill(
    session: DecodeSession,
    prompts: readonly Prompt[],
    promptOf: readonly number[],
    temperature: number,
  ): void {
    const { model } = this.#policy;
    const groups = prompts.map((prompt): PromptGroup => ({ prompt, responses: [] }));
    tf.tidy(() => {
      let firstRow = 0;
      const lastHidden = microBatches(groups, this.#options.maxRows).map((pass) => {
        const batch = packGroups(passGroups(groups, pass), model.architecture);
        const rows = tf.tensor1d(
          batch.source.map((_, i) => firstRow + i),
          'int32',
        );
        firstRow += batch.source.length;
        return tf.tidy(() => {
          const hidden = model.hiddenStates({
            ...uploadBatch(model, batch),
            cache: (layer, k, v) => {
              session.store(layer, rows, k, v);
              return { k, v };
            },
          });
          return gatherRows(hidden, { index_N: tf.tensor1d(batch.promptEnds, 'int32') });
        });
      });
      // Unused slots take the first prompt's row; they are inactive.
      const slotPrompt = Int32Array.from({ length: session.shape.slots }, (_, slot) => promptOf[slot] ?? 0);
      const perSlot = gatherRows(tf.concat(lastHidden), { index_N: tf.tensor1d(slotPrompt, 'int32') });
      sampleTokens(model.finalNorm(perSlot), model.head, session.state, { temperature });
      advance(session.state);
    });
  }

  async #collect({ state }: DecodeSession, count: number): Promise<Response[]> {
    const { model, tokenizer } = this.#policy;
    const [lengths, tokens, logprobs, entropies] = await Promise.all([
      model.gpu.readInts(state.length_B),
      model.gpu.readInts(state.tokensOut_BT),
      model.gpu.read(state.logprobsOut_BT),
      model.gpu.read(state.entropiesOut_BT),
    ]);
    return Array.from({ length: count }, (_, slot) => {
      const start = slot * state.maxTokens;
      const end = start + lengths[slot]!;
      const own = tokens.slice(start, end);
      return {
        tokens: own,
        logprobs: logprobs.slice(start, end),
        entropies: entropies.slice(start, end),
        text: tokenizer.decode([...own], { skipSpecialTokens: true }),
        end: tokenizer.eosIds.includes(own.at(-1)!) ? 'stop' : 'length',
      };
    });
  }
}

function cumulative(lengths: readonly number[]): number[] {
  let sum = 0;
  return lengths.map((length) => (sum += length));
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

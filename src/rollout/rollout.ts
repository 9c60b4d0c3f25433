/**
 * Rollouts: samples responses with a KV cache over the policy's own weights and kernels. A prompt is computed
 * once, whatever the number of its responses, and each sampled token carries its log-probability. A slot whose
 * response has ended takes the next one at once.
 */
import * as tf from '@tensorflow/tfjs';
import { packGroups, type PromptGroup } from '../model/packed-batch.ts';
import { microBatches, passGroups } from '../model/micro-batches.ts';
import { uploadBatch } from '../model/upload.ts';
import type { SampleOptions } from '../ops/sample-options.ts';
import { type SlotStart, startSlots, stopSlots } from '../ops/sample-state.ts';
import type { Prompt } from '../processor/prompt.ts';
import { DecodeSession } from './decode-session.ts';
import { ImageFeatures } from './image-features.ts';
import type { Policy } from './policy.ts';
import { type PlacedPrompt, type PlacedResponse, Schedule } from './schedule.ts';
import { sessionShape } from './session-shape.ts';
import { stoppedAt } from './stop-strings.ts';

export interface RolloutRequest {
  prompt: Prompt;
  /** Responses wanted. */
  count: number;
  /** Keys its noise within the step; its place in the list unless given. */
  id?: number;
}

export interface Sampling extends SampleOptions {
  maxTokens: number;
  /** A response ends with the token that completes one of these texts. */
  stopStrings?: readonly string[];
  /** With the step, the request's id, the response and the position it keys the noise of each token. */
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
  /** How the host looks for responses that have ended; never changes them. By the kind of adapter if left out. */
  pace?: Pace;
}

interface Pace {
  /** Steps that are submitted together. */
  stepsPerCheck: number;
  /** Checks that are submitted before the first of them is waited for. */
  checksAhead: number;
}

/** A GPU must not wait for the host to look. */
const GPU_PACE: Pace = { stepsPerCheck: 16, checksAhead: 1 };
/** A driver that computes on the CPU computes slots that have ended in vain. */
const SOFTWARE_PACE: Pace = { stepsPerCheck: 4, checksAhead: 0 };

/** Which slots were active after some round of decoding; the GPU may still be on its way there. */
interface Check {
  round: number;
  active: Promise<Int32Array>;
}

/** Of the memory that is left: passes over prompts need the rest. */
const CACHE_SHARE = 0.5;

export class RolloutEngine {
  readonly #policy: Policy;
  readonly #options: EngineOptions;

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
    const { maxTokens, stopStrings = [], seed, step, ...options } = sampling;
    const results: Response[][] = requests.map(() => []);
    const { gpu } = this.#policy.model;
    // Its memory is free for training as soon as the responses are there.
    using session = this.#openSession(requests, maxTokens, options);
    const schedule = new Schedule(
      requests.map(({ prompt, count }) => ({ rows: prompt.tokens.length, count })),
      session.shape.slots,
      session.shape.promptRows,
    );
    using images = new ImageFeatures(
      this.#policy.model,
      requests.map(({ prompt }) => prompt),
    );
    const plan = session.plan(options);
    const { stepsPerCheck, checksAhead } = this.#options.pace ?? (gpu.isSoftware ? SOFTWARE_PACE : GPU_PACE);
    const checks: Check[] = [];
    /** The round in which each slot's response started: earlier checks tell of the one before. */
    const startedIn = new Map<number, number>();
    for (let round = 0; !schedule.isDone; round++) {
      const { prompts, responses } = schedule.fill();
      if (prompts.length > 0) this.#prefill(session, requests, prompts, images);
      this.#start(session, requests, responses, { maxTokens, seed, step });
      for (const { slot } of responses) startedIn.set(slot, round);
      gpu.replay(plan, stepsPerCheck);
      checks.push({ round, active: gpu.readInts(session.state.active_B) });
      if (checks.length <= checksAhead) continue;
      const check = checks.shift()!;
      const active = await check.active;
      const known = [...schedule.running.keys()].filter((slot) => startedIn.get(slot)! <= check.round);
      const ended = known.filter((slot) => active[slot] === 0);
      const going = stopStrings.length > 0 ? known.filter((slot) => active[slot] !== 0) : [];
      if (ended.length + going.length === 0) continue;
      const found = await this.#collect(session, [...ended, ...going], stopStrings);
      stopSlots(
        session.state,
        going.filter((slot) => found.get(slot)!.end === 'stop'),
      );
      for (const [slot, response] of found) {
        if (active[slot] !== 0 && response.end !== 'stop') continue;
        const place = schedule.running.get(slot)!;
        results[place.request]![place.response] = response;
        const whole = schedule.end(slot);
        if (whole !== undefined) onRequest?.(whole, results[whole]!);
      }
    }
    return results;
  }

  /** A session that holds these requests. */
  #openSession(
    requests: readonly RolloutRequest[],
    maxTokens: number,
    { repetitionPenalty = 1 }: SampleOptions,
  ): DecodeSession {
    const { model, tokenizer } = this.#policy;
    const lastPosition = Math.max(
      0,
      ...requests.map(({ prompt }) => prompt.tokens.length + Math.max(0, prompt.ropeDelta)),
    );
    model.rotary.cover(lastPosition + maxTokens, 0);
    const shape = sessionShape(
      model.architecture,
      requests,
      { maxTokens, marksSeen: repetitionPenalty !== 1 },
      {
        ...this.#options,
        cacheBytes: model.gpu.availableBytes * CACHE_SHARE,
        bindingBytes: model.gpu.device.limits.maxStorageBufferBindingSize,
      },
    );
    const endTokens = this.#options.stopAtEnd === false ? [] : tokenizer.eosIds;
    return new DecodeSession(model, shape, endTokens, tokenizer.placeholderIds);
  }

  /** Computes prompts into the cache. */
  #prefill(
    session: DecodeSession,
    requests: readonly RolloutRequest[],
    placed: readonly PlacedPrompt[],
    images: ImageFeatures,
  ): void {
    const { model } = this.#policy;
    const groups = placed.map(({ request }): PromptGroup => ({
      prompt: requests[request]!.prompt,
      responses: [],
    }));
    for (const pass of microBatches(groups, this.#options.maxRows)) {
      const own = passGroups(groups, pass);
      const batch = packGroups(own, model.architecture);
      const rows = pass.flatMap(({ group }) => {
        const { firstRow, request } = placed[group]!;
        return Array.from(requests[request]!.prompt.tokens, (_, i) => firstRow + i);
      });
      // A pack's ranges are rows of the pack, which lie in order in the cache.
      batch.ranges.forEach((end, i) => {
        if (i % 4 === 2) batch.ranges[i] = rows[end]!;
        if (i % 4 === 3) batch.ranges[i] = rows[end - 1]! + 1;
      });
      tf.tidy(() => {
        const rows_N = tf.tensor1d(rows, 'int32');
        const features = images.take(
          batch,
          own.map(({ prompt }) => prompt),
        );
        model.hiddenStates({
          ...uploadBatch(model, batch, features),
          cache: (layer) => session.cache(layer, rows_N),
        });
      });
    }
  }

  #start(
    session: DecodeSession,
    requests: readonly RolloutRequest[],
    placed: readonly PlacedResponse[],
    { maxTokens, seed, step }: Pick<Sampling, 'maxTokens' | 'seed' | 'step'>,
  ): void {
    const starts = placed.map(({ slot, request, response, firstRow }): SlotStart => {
      const { prompt, id: promptId = request } = requests[request]!;
      const { tokens, ropeDelta } = prompt;
      return {
        slot,
        promptId,
        responseId: response,
        input: tokens.at(-1)!,
        promptRows: [firstRow, firstRow + tokens.length],
        ownRow: session.ownRow(slot),
        position: tokens.length + ropeDelta,
        maxLength: maxTokens,
        ...(session.shape.marksSeen ? { promptTokens: tokens } : {}),
      };
    });
    startSlots(session.state, starts, seed, step);
  }

  /** What some slots have so far, cut where one of the texts stops it. */
  async #collect(
    { state }: DecodeSession,
    slots: readonly number[],
    stopStrings: readonly string[],
  ): Promise<Map<number, Response>> {
    const { model, tokenizer } = this.#policy;
    const [lengths, tokens, logprobs, entropies] = await Promise.all([
      model.gpu.readInts(state.length_B),
      model.gpu.readInts(state.tokensOut_BT),
      model.gpu.read(state.logprobsOut_BT),
      model.gpu.read(state.entropiesOut_BT),
    ]);
    const decode = (ids: Int32Array) => tokenizer.decode([...ids], { skipSpecialTokens: true });
    return new Map(
      slots.map((slot) => {
        const start = slot * state.maxTokens;
        const sampled = tokens.slice(start, start + lengths[slot]!);
        const stop = stoppedAt(sampled, stopStrings, decode);
        const own = sampled.slice(0, stop);
        const end = start + own.length;
        const isStopped = stop !== undefined || tokenizer.eosIds.includes(own.at(-1)!);
        return [
          slot,
          {
            tokens: own,
            logprobs: logprobs.slice(start, end),
            entropies: entropies.slice(start, end),
            text: decode(own),
            end: isStopped ? 'stop' : 'length',
          },
        ];
      }),
    );
  }
}

/**
 * Which response runs in which slot, and where its prompt lies in the KV cache; no GPU. Responses start in the
 * order of the requests. A prompt stays in the cache until the last response to it has ended, and those that come
 * next are put beside it as far as there is room, so that they are computed together; what finds no room waits.
 */
import { ShapeError } from '../util/errors.ts';

export interface ScheduledRequest {
  /** Cache rows of the prompt. */
  rows: number;
  /** Responses wanted. */
  count: number;
}

export interface PlacedPrompt {
  request: number;
  firstRow: number;
}

export interface PlacedResponse extends PlacedPrompt {
  response: number;
  slot: number;
}

export interface Placements {
  /** Prompts that are to be computed into the cache now. */
  prompts: PlacedPrompt[];
  /** Responses that start now; their prompts are in the cache or among the above. */
  responses: PlacedResponse[];
}

interface Resident {
  firstRow: number;
  /** Responses that have not ended. */
  left: number;
}

export class Schedule {
  readonly #requests: readonly ScheduledRequest[];
  readonly #rows: number;
  readonly #freeSlots: number[];
  readonly #running = new Map<number, { request: number; response: number }>();
  /** Prompts in the cache by request. */
  readonly #resident = new Map<number, Resident>();
  /** The response that starts next. */
  #next = { request: 0, response: 0 };
  /** The first request whose prompt has not been in the cache yet. */
  #nextPrompt = 0;

  /** @throws {ShapeError} when a prompt has more rows than there are */
  constructor(requests: readonly ScheduledRequest[], slots: number, rows: number) {
    const longest = Math.max(0, ...requests.map((request) => request.rows));
    if (longest > rows) {
      throw new ShapeError({ where: 'Schedule', expected: `at least ${longest} rows`, found: `${rows}` });
    }
    this.#requests = requests;
    this.#rows = rows;
    // Taken from the end: the lowest first.
    this.#freeSlots = Array.from({ length: slots }, (_, i) => slots - 1 - i);
    this.#skipEmpty();
  }

  get isDone(): boolean {
    return this.#running.size === 0 && this.#next.request === this.#requests.length;
  }

  /** Slots whose responses have not ended. */
  get running(): ReadonlyMap<number, { request: number; response: number }> {
    return this.#running;
  }

  /** Gives free slots to the responses that come next. */
  fill(): Placements {
    const placements: Placements = { prompts: [], responses: [] };
    while (this.#freeSlots.length > 0 && this.#next.request < this.#requests.length) {
      const { request, response } = this.#next;
      if (!this.#resident.has(request)) {
        const placed = this.#placePrompts();
        if (placed.length === 0) break;
        placements.prompts.push(...placed);
      }
      const { firstRow } = this.#resident.get(request)!;
      const slot = this.#freeSlots.pop()!;
      this.#running.set(slot, { request, response });
      placements.responses.push({ request, response, slot, firstRow });
      this.#next.response += 1;
      this.#skipEmpty();
    }
    return placements;
  }

  /**
   * Frees the slot of a response that has ended.
   * @returns the request, when this was the last response to it
   */
  end(slot: number): number | undefined {
    const { request } = this.#running.get(slot)!;
    this.#running.delete(slot);
    this.#freeSlots.push(slot);
    const resident = this.#resident.get(request)!;
    resident.left -= 1;
    if (resident.left > 0) return undefined;
    this.#resident.delete(request);
    return request;
  }

  /** Places prompts in their order until one finds no room. */
  #placePrompts(): PlacedPrompt[] {
    const placed: PlacedPrompt[] = [];
    for (; this.#nextPrompt < this.#requests.length; this.#nextPrompt++) {
      const request = this.#nextPrompt;
      const { rows, count } = this.#requests[request]!;
      if (count === 0) continue;
      const firstRow = this.#findRows(rows);
      if (firstRow === undefined) break;
      this.#resident.set(request, { firstRow, left: count });
      placed.push({ request, firstRow });
    }
    return placed;
  }

  /** The first gap of so many rows between the prompts in the cache. */
  #findRows(rows: number): number | undefined {
    const taken = [...this.#resident]
      .map(([request, { firstRow }]) => [firstRow, firstRow + this.#requests[request]!.rows] as const)
      .toSorted(([a], [b]) => a - b);
    let start = 0;
    for (const [from, to] of taken) {
      if (from - start >= rows) return start;
      start = to;
    }
    return this.#rows - start >= rows ? start : undefined;
  }

  /** Moves on to the next request that still has a response to start. */
  #skipEmpty(): void {
    while (
      this.#next.request < this.#requests.length &&
      this.#next.response >= this.#requests[this.#next.request]!.count
    ) {
      this.#next = { request: this.#next.request + 1, response: 0 };
    }
  }
}

/**
 * Runs checks by rule in worker threads that can be stopped. The limit is the computing time of the check itself,
 * not the time on the clock: a busy machine or a cold start never turns a right answer into a wrong one, and the
 * same responses get the same rewards in every run.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { VerifierName } from '../config/reward-routes.ts';
import { DataError } from '../util/errors.ts';
import { type CheckContext, type Verdict, wrong } from './verify/verdict.ts';

export interface Check {
  verifier: VerifierName;
  extracted: string;
  /** Every answer that counts as right; at least one. */
  golds: readonly string[];
  context: CheckContext;
}

/** What the worker answers. */
export type CheckResult = Verdict | { goldProblem: string };

interface Task {
  check: Check;
  resolve(verdict: Verdict): void;
  reject(error: Error): void;
}

const MAX_WORKERS = 4;
const MAX_WORKER_MEMORY_MB = 512;
/** The shortest wait before the computing time is looked at again. */
const MIN_RECHECK_MS = 5;

export class Checker {
  readonly #timeoutMs: number;
  readonly #waiting: Task[] = [];
  readonly #threads = new Set<Thread>();
  #stopped = 0;

  /** @param timeoutMs longest computing time of one check in milliseconds */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Checks that were stopped because they took too long or too much memory. */
  get stopped(): number {
    return this.#stopped;
  }

  /** @throws DataError when a gold answer is not of the verifier's kind */
  check(check: Check): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ check, resolve, reject });
      this.#hand();
    });
  }

  /** Ends the threads; checks that wait or run are rejected. */
  async close(): Promise<void> {
    for (const task of this.#waiting.splice(0)) task.reject(closedError());
    const threads = [...this.#threads];
    this.#threads.clear();
    await Promise.all(threads.map((thread) => thread.stop()));
  }

  /** Gives waiting checks to threads that are free, and starts another thread where all are busy. */
  #hand(): void {
    for (const thread of this.#threads) {
      if (this.#waiting.length === 0) return;
      if (thread.isFree) thread.run(this.#waiting.shift()!);
    }
    const starting = [...this.#threads].filter((thread) => thread.isStarting).length;
    if (
      this.#waiting.length > starting &&
      this.#threads.size < Math.min(MAX_WORKERS, availableParallelism())
    ) {
      this.#threads.add(
        new Thread(this.#timeoutMs, {
          free: () => this.#hand(),
          stopped: (thread) => {
            this.#stopped += 1;
            this.#threads.delete(thread);
            this.#hand();
          },
          broken: (thread, error) => {
            this.#threads.delete(thread);
            for (const task of this.#waiting.splice(0)) task.reject(error);
          },
        }),
      );
    }
  }
}

interface ThreadEvents {
  /** The thread can take a check. */
  free(): void;
  /** The thread had to be stopped in the midst of a check, which has its verdict. */
  stopped(thread: Thread): void;
  /** The thread fails by a bug; it would fail again. */
  broken(thread: Thread, error: Error): void;
}

class Thread {
  readonly #timeoutMs: number;
  readonly #events: ThreadEvents;
  /** Computing time of the thread when the current check began, in milliseconds; the thread writes it. */
  readonly #startedAt_ms = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT));
  readonly #worker: Worker;
  #isReady = false;
  #task: Task | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number, events: ThreadEvents) {
    this.#timeoutMs = timeoutMs;
    this.#events = events;
    this.#worker = new Worker(new URL('./check-worker.ts', import.meta.url), {
      workerData: this.#startedAt_ms.buffer,
      resourceLimits: { maxOldGenerationSizeMb: MAX_WORKER_MEMORY_MB },
    });
    this.#worker.on('message', (message: CheckResult | 'ready') => this.#hear(message));
    this.#worker.on('error', (error) => this.#fail(error));
  }

  get isStarting(): boolean {
    return !this.#isReady;
  }

  get isFree(): boolean {
    return this.#isReady && this.#task === undefined;
  }

  run(task: Task): void {
    this.#task = task;
    this.#worker.ref();
    this.#worker.postMessage(task.check);
    this.#watch(this.#timeoutMs);
  }

  async stop(): Promise<void> {
    this.#finish()?.reject(closedError());
    await this.#worker.terminate();
  }

  #hear(message: CheckResult | 'ready'): void {
    if (message === 'ready') this.#isReady = true;
    else {
      const task = this.#finish();
      if ('goldProblem' in message) task?.reject(new DataError(message.goldProblem));
      else task?.resolve(message);
    }
    // A thread that has nothing to do does not keep the program from ending.
    this.#worker.unref();
    this.#events.free();
  }

  #fail(cause: unknown): void {
    const task = this.#finish();
    const error = cause instanceof Error ? cause : new Error(String(cause));
    if (task && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
      task.resolve(wrong(`not verified: took more than ${MAX_WORKER_MEMORY_MB} MB`));
      this.#events.stopped(this);
    } else {
      task?.reject(error);
      this.#events.broken(this, error);
    }
  }

  #finish(): Task | undefined {
    clearTimeout(this.#timer);
    const task = this.#task;
    this.#task = undefined;
    return task;
  }

  #watch(waitMs: number): void {
    const task = this.#task;
    this.#timer = setTimeout(() => void this.#look(task), waitMs);
  }

  async #look(task: Task | undefined): Promise<void> {
    // Rejects when the thread has ended meanwhile, and nothing is left to watch.
    const usage = await this.#worker.cpuUsage().catch(() => undefined);
    if (this.#task !== task || usage === undefined) return;
    const usedMs = (usage.user + usage.system) / 1000 - this.#startedAt_ms[0]!;
    if (usedMs < this.#timeoutMs) this.#watch(Math.max(this.#timeoutMs - usedMs, MIN_RECHECK_MS));
    else this.#kill();
  }

  #kill(): void {
    const task = this.#finish();
    void this.#worker.terminate();
    task?.resolve(wrong(`not verified: took more than ${this.#timeoutMs} ms`));
    this.#events.stopped(this);
  }
}

function closedError(): Error {
  return new Error('the checker was closed before this check was done');
}

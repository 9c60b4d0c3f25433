/**
 * The thread that runs checks by rule, one at a time. It tells when it is ready and, before each check, how much
 * computing time the thread has used, so that the owner can stop a check by its own time: see checker.ts.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { DataError } from '../util/errors.ts';
import type { Check, CheckResult } from './checker.ts';
import { VERIFIERS } from './verify/verifiers.ts';

const startedAt_ms = new Float64Array(workerData as SharedArrayBuffer);

parentPort!.on('message', (check: Check) => {
  noteComputingTime();
  const result = run(check);
  // So that a check that waits for this thread to wake up is not charged with the one before it.
  noteComputingTime();
  parentPort!.postMessage(result);
});
parentPort!.postMessage('ready');

function noteComputingTime(): void {
  const { user, system } = process.threadCpuUsage();
  startedAt_ms[0] = (user + system) / 1000;
}

/** The best verdict over all answers that count as right. */
function run({ verifier, extracted, golds, context }: Check): CheckResult {
  let best: CheckResult = { score: -1 };
  try {
    for (const gold of golds) {
      const verdict = VERIFIERS[verifier](extracted, gold, context);
      if (verdict.score > best.score) best = verdict;
      if (best.score === 1) break;
    }
  } catch (error) {
    if (error instanceof DataError) return { goldProblem: error.message };
    throw error;
  }
  return best;
}

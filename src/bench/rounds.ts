/** Rounds of several contestants by turns, so that a change of the machine's mood meets all of them. */
import { ServiceError } from '../util/errors.ts';
import { log } from '../util/log.ts';
import { roundsOf, type Rounds } from './median.ts';
import type { Absent } from './peer.ts';

/** Does one round and returns what is measured. */
type Run = (round: number) => Promise<number>;

/**
 * Warms everybody up once, then lets each run once a round; who is first changes from round to round.
 * @param peer another program, which may be missing or fail; its failure ends its rounds, not ours
 * @returns what each measured, round by round
 */
export async function alternate<Name extends string>(
  runs: number,
  own: Readonly<Record<Name, Run>>,
  peer: Run | Absent = { absent: 'there is none' },
): Promise<{ own: Record<Name, number[]>; peer: number[] | Absent }> {
  const names = Object.keys(own) as Name[];
  const measured = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  let peerMeasured: number[] | Absent = typeof peer === 'function' ? [] : peer;
  const turns = names.map((name) => async (round: number) => {
    const value = await own[name](round);
    log.info(`  round ${round} of ${runs}: ${name} ${value.toPrecision(4)}`);
    if (round > 0) measured[name].push(value);
  });
  turns.push(async (round) => {
    if (typeof peer !== 'function' || !Array.isArray(peerMeasured)) return;
    try {
      const value = await peer(round);
      log.info(`  round ${round} of ${runs}: transformers ${value.toPrecision(4)}`);
      if (round > 0) peerMeasured.push(value);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      peerMeasured = { absent: error.message };
    }
  });
  for (let round = 0; round <= runs; round++) {
    for (let turn = 0; turn < turns.length; turn++) await turns[(round + turn) % turns.length]!(round);
  }
  return { own: measured, peer: peerMeasured };
}

/** The rounds of a peer, where it had any. */
export function peerRounds(values: readonly number[] | Absent): Rounds | Absent {
  return 'absent' in values ? values : roundsOf(values);
}

/** Ours over theirs in each round. */
export function ratios(ours: readonly number[], theirs: readonly number[]): Rounds {
  return roundsOf(ours.map((value, round) => value / theirs[round]!));
}

/** As `ratios`, to a peer. */
export function peerRatios(ours: readonly number[], theirs: readonly number[] | Absent): Rounds | Absent {
  return 'absent' in theirs ? theirs : ratios(ours, theirs);
}

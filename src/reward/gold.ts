/** Checks before a run that every row can be rewarded, so that no row can only ever lose. */
import type { RewardConfig } from '../config/schema.ts';
import { DataError } from '../util/errors.ts';
import type { Checker } from './checker.ts';
import { isAssessor, routeOf, type Method } from './routes.ts';
import { readAnswers } from './row-answers.ts';
import type { RewardRow } from './sample.ts';

const MAX_LISTED_PROBLEMS = 8;
/** Enough to keep every thread busy, few enough to hold the rows of any file. */
const ROWS_AT_ONCE = 512;

/** Counts the rows whose `reward` or `category` leads nowhere, by the value. */
export class RouteProblems {
  readonly #counts = new Map<string, number>();

  /** @returns the row's method, or undefined when it has none */
  add(row: RewardRow, config: RewardConfig): Method | undefined {
    const route = routeOf(row, config);
    if (typeof route === 'string') return route;
    const key = `${route.column} ${JSON.stringify(route.value)}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    return undefined;
  }

  /** @throws DataError that names every value with the number of its rows */
  throwIfAny(): void {
    if (this.#counts.size === 0) return;
    const listed = [...this.#counts].toSorted(([, a], [, b]) => b - a).slice(0, MAX_LISTED_PROBLEMS);
    throw new DataError(
      [
        'The configuration does not say which verifier or model judges these rows:',
        ...listed.map(([value, count]) => `  ${value}: ${count} ${count === 1 ? 'row' : 'rows'}`),
        ...moreLine(this.#counts.size),
        '  fix: map each value in reward.verifier_by_reward or reward.verifier_by_category, for instance to rule,',
        '       number, math, choice, text or model; "*" stands for any other value',
      ].join('\n'),
    );
  }
}

/**
 * @returns the methods that the rows go to
 * @throws DataError for values of `reward` and `category` that lead nowhere, and for answers that their own
 *   verifier does not accept; each with its row
 */
export async function checkGoldAnswers(
  rows: Iterable<RewardRow> | AsyncIterable<RewardRow>,
  config: RewardConfig,
  checker: Checker,
): Promise<Set<Method>> {
  const routes = new RouteProblems();
  const methods = new Set<Method>();
  const problems: string[] = [];
  let count = 0;
  let running: Promise<string | undefined>[] = [];
  const settle = async () => {
    const found = await Promise.all(running);
    problems.push(...found.filter((problem) => problem !== undefined));
    running = [];
  };
  for await (const row of rows) {
    count += 1;
    const method = routes.add(row, config);
    if (method === undefined) continue;
    methods.add(method);
    running.push(goldProblem(row, method, config, checker));
    if (running.length === ROWS_AT_ONCE) await settle();
  }
  await settle();
  routes.throwIfAny();
  if (problems.length === 0) return methods;
  throw new DataError(
    [
      `${problems.length} of ${count} rows have an answer that their verifier cannot use:`,
      ...problems.slice(0, MAX_LISTED_PROBLEMS),
      ...moreLine(problems.length),
    ].join('\n'),
  );
}

function moreLine(count: number): string[] {
  return count > MAX_LISTED_PROBLEMS ? [`  and ${count - MAX_LISTED_PROBLEMS} more`] : [];
}

async function goldProblem(
  row: RewardRow,
  method: Method,
  config: RewardConfig,
  checker: Checker,
): Promise<string | undefined> {
  try {
    const { golds, context } = readAnswers(row, config);
    if (isAssessor(method)) return undefined;
    for (const gold of golds) {
      const { score, note } = await checker.check({
        verifier: method,
        extracted: gold,
        golds: [gold],
        context,
      });
      if (score < 1) return `${row.id}: ${method} says no to its own answer ${gold} (${note ?? ''})`;
    }
    return undefined;
  } catch (error) {
    if (error instanceof DataError) return error.message;
    throw error;
  }
}

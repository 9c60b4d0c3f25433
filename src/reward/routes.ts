/** Which verifier or model a row goes to: by its `reward`, else its `category`, else the shape of its answer. */
import {
  ANY_VALUE,
  ASSESSOR_NAMES,
  type AssessorName,
  type Route,
  type Routes,
  routeKey,
  type VerifierName,
} from '../config/reward-routes.ts';
import type { RewardConfig } from '../config/schema.ts';
import { looksLikeMath } from './math/shape.ts';
import type { RewardRow } from './sample.ts';
import { chosenLetter } from './verify/choice.ts';
import { readOptions } from './verify/options.ts';
import { stripMarkup } from './verify/plain-text.ts';
import { readQuantity } from './verify/quantity.ts';
import { readYesNo } from './verify/yes-no.ts';

export type Method = VerifierName | AssessorName;

/** Why a row has no verifier: one of these columns has a value that the configuration does not know. */
export interface RouteProblem {
  column: 'reward' | 'category';
  value: string;
}

type RouteConfig = Pick<RewardConfig, 'verifier_by_reward' | 'verifier_by_category' | 'model' | 'judge'>;

/** @returns the verifier or model of the row, or the value that leads nowhere */
export function routeOf(row: RewardRow, config: RouteConfig): Method | RouteProblem {
  const byReward = lookUp(config.verifier_by_reward, row.reward);
  if (byReward === undefined) return { column: 'reward', value: row.reward };
  if (byReward !== 'rule') return resolve(byReward, config);
  const byCategory = lookUp(config.verifier_by_category, row.category);
  if (byCategory === undefined) return { column: 'category', value: row.category };
  return byCategory === 'rule' ? verifierByShape(row) : resolve(byCategory, config);
}

function lookUp(routes: Routes, value: string): Route | undefined {
  const key = routeKey(value);
  return Object.hasOwn(routes, key) ? routes[key] : routes[ANY_VALUE];
}

function resolve(route: Exclude<Route, 'rule'>, { model, judge }: RouteConfig): Method {
  if (route !== 'model') return route;
  // Without either the judge is named, whose settings are then reported as missing.
  return judge.base_url === null && model.path !== null ? 'reward_model' : 'judge';
}

export function isAssessor(method: Method): method is AssessorName {
  return (ASSESSOR_NAMES as readonly string[]).includes(method);
}

/** "B", "(B)", "A, C", "A and C" */
const LETTERS = /^\(?[A-J]\)?(?: ?(?:,|;|&|and) ?\(?[A-J]\)?){0,9}[).]?$/;

function verifierByShape({ answer, problem }: RewardRow): VerifierName {
  const options = readOptions(problem);
  if (LETTERS.test(stripMarkup(answer))) return 'choice';
  // A gold answer that is the text of an option; the letter is then right as well.
  if (options.size > 0 && options.has(chosenLetter(answer, options) ?? '')) return 'choice';
  if (/^\W*(?:yes|no|true|false)\W*$/i.test(answer) && readYesNo(answer) !== undefined) return 'yes_no';
  const quantity = readQuantity(answer);
  if (typeof quantity !== 'string' && quantity.bare) return 'number';
  return looksLikeMath(answer) ? 'math' : 'text';
}

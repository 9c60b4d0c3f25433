/** Which verifier or model a value of a row's `reward` or `category` stands for, before the user adds to it. */

/** The rule verifiers that a row can be sent to. */
const VERIFIER_NAMES = [
  'number',
  'count',
  'relaxed',
  'choice',
  'yes_no',
  'math',
  'text',
  'list',
  'ordered_list',
  'box',
  'detection',
] as const;

/** The models that can assess an answer. */
export const ASSESSOR_NAMES = ['reward_model', 'judge'] as const;

/**
 * "rule" leaves the choice to the next criterion: from `reward` to `category`, from there to the shape of the
 * answer. "model" is the judge where one is configured, else the reward model.
 */
export const ROUTE_NAMES = [...VERIFIER_NAMES, ...ASSESSOR_NAMES, 'rule', 'model'] as const;

export type VerifierName = (typeof VERIFIER_NAMES)[number];
export type AssessorName = (typeof ASSESSOR_NAMES)[number];
export type Route = (typeof ROUTE_NAMES)[number];
export type Routes = Readonly<Record<string, Route>>;

/** Stands for every value that is not in the table. */
export const ANY_VALUE = '*';

/** Upper case, hyphens and spaces make no difference: "Multiple-Choice" is "multiple_choice". */
export function routeKey(value: string): string {
  return value
    .trim()
    .toLowerCase()
    .replace(/[\s_-]+/g, '_');
}

// WeThink does not publish the values of its columns; these are the names of its paper's answer types and of
// other data sets.
const ANSWER_TYPES: Readonly<Partial<Record<Route, string>>> = {
  choice: 'mc mcq multi_choice multiple_choice single_choice',
  yes_no: 'true_false yesno boolean tf',
  rule: 'fib fill_in_blank fill_in_the_blank',
  model: 'des descriptive description open open_ended free_form long_answer',
};
const METHODS: Readonly<Partial<Record<Route, string>>> = {
  rule: 'rule_based verify verifiable default',
  number: 'numeric numerical float integer',
  count: 'counting',
  relaxed: 'chartqa relaxed_accuracy relaxed_match',
  math: 'mathematics latex symbolic expression math_verify mathruler',
  text: 'string exact_match em short_answer',
  list: 'set',
  box: 'bbox iou rec grounding',
  detection: 'od object_detection od_ap',
  model: 'model_based assessment',
  judge: 'llm llm_judge',
  reward_model: 'rm',
};

export const DEFAULT_ROUTES_BY_REWARD: Routes = {
  '': 'rule',
  ...Object.fromEntries(ROUTE_NAMES.map((name) => [name, name])),
  ...table(ANSWER_TYPES),
  ...table(METHODS),
};

// Categories are mostly topics, and do not say how an answer is written.
export const DEFAULT_ROUTES_BY_CATEGORY: Routes = { ...table(ANSWER_TYPES), [ANY_VALUE]: 'rule' };

function table(names: Readonly<Partial<Record<Route, string>>>): Record<string, Route> {
  return Object.fromEntries(
    Object.entries(names).flatMap(([route, list]) => list.split(' ').map((name) => [name, route as Route])),
  );
}

/** Which verifier a row goes to, and whether its gold answer fits that verifier. */
import { type RewardConfig, VERIFIER_NAMES, type VerifierName } from '../config/schema.ts';
import { DataError } from '../util/errors.ts';
import type { RewardRow, VerifierTable } from './verdict.ts';
import { chosenLetter, readOptions, verifyChoice } from './verify-choice.ts';
import { readQuantity, verifyNumber } from './verify-number.ts';
import { verifyText } from './verify-text.ts';
import { readYesNo, verifyYesNo } from './verify-yes-no.ts';

export const VERIFIERS: VerifierTable = {
  number: verifyNumber,
  choice: verifyChoice,
  yes_no: verifyYesNo,
  text: verifyText,
};

const MAX_LISTED_PROBLEMS = 8;

/**
 * The verifier of a row: by the literal value of its `reward`, else of its `category` (both as configured; a
 * `reward` that is a verifier's name needs no entry), else by the shape of the gold answer.
 */
export function chooseVerifier(row: RewardRow, config: RewardConfig): VerifierName {
  const { verifier_by_reward: byReward, verifier_by_category: byCategory } = config;
  if (Object.hasOwn(byReward, row.reward)) return byReward[row.reward]!;
  if (Object.hasOwn(byCategory, row.category)) return byCategory[row.category]!;
  return VERIFIER_NAMES.find((name) => name === row.reward) ?? verifierByShape(row);
}

function verifierByShape({ answer, problem }: RewardRow): VerifierName {
  const options = readOptions(problem);
  if (/^\s*\(?[A-J][).]?\s*$/.test(answer)) return 'choice';
  // A gold answer that is the text of an option; the letter is then right as well.
  if (options.size > 0 && options.has(chosenLetter(answer, options) ?? '')) return 'choice';
  if (/^\W*(?:yes|no|true|false)\W*$/i.test(answer) && readYesNo(answer) !== undefined) return 'yes_no';
  const quantity = readQuantity(answer);
  return typeof quantity !== 'string' && quantity.bare ? 'number' : 'text';
}

/**
 * Checks before a run that every gold answer is right by its own verifier, so that no row can only ever lose.
 * @throws DataError that lists the rows that are not.
 */
export function checkGoldAnswers(rows: readonly RewardRow[], config: RewardConfig): void {
  const problems = rows.flatMap((row) => goldProblem(row, config) ?? []);
  if (problems.length === 0) return;
  const rest = problems.length - MAX_LISTED_PROBLEMS;
  throw new DataError(
    [
      `${problems.length} of ${rows.length} rows have an answer that their verifier cannot use:`,
      ...problems.slice(0, MAX_LISTED_PROBLEMS),
      ...(rest > 0 ? [`and ${rest} more`] : []),
    ].join('\n'),
  );
}

function goldProblem(row: RewardRow, config: RewardConfig): string | undefined {
  const name = chooseVerifier(row, config);
  try {
    const { score, note } = VERIFIERS[name](row.answer, row.answer, row, config);
    return score === 1
      ? undefined
      : `${row.id}: ${name} says no to its own answer ${row.answer} (${note ?? ''})`;
  } catch (error) {
    if (error instanceof DataError) return error.message;
    throw error;
  }
}

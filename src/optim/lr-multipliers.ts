/** Learning rates by module: factors on the learning rate for the parameters whose names match a pattern. */
import type { LrRange } from '../ops/adamw.ts';
import { ConfigError } from '../util/errors.ts';
import type { TrainedParameter } from './moments.ts';

/** Names that an error shows. */
const SHOWN_NAMES = 5;

/**
 * The factor of each part of each parameter, as ranges of its values; 1 where no pattern matches.
 * @param multipliers factors by regular expressions over whole names of parts; the first that matches counts
 * @throws {ConfigError} when a pattern matches no name
 */
export function lrRangesOf(
  parameters: readonly Pick<TrainedParameter, 'parts'>[],
  multipliers: Readonly<Record<string, number>>,
): LrRange[][] {
  const rules = Object.entries(multipliers).map(([pattern, factor]) => ({
    pattern,
    expression: new RegExp(`^(?:${pattern})$`),
    factor,
  }));
  const names = parameters.flatMap(({ parts }) => parts.map(({ name }) => name));
  for (const { pattern, expression } of rules) {
    if (names.some((name) => expression.test(name))) continue;
    const others = names.length > SHOWN_NAMES ? ', …' : '';
    throw new ConfigError({
      where: `optim.lr_multipliers: ${pattern}`,
      expected: 'a regular expression that matches the whole name of a trained parameter',
      found: `none of ${names.length} names (${names.slice(0, SHOWN_NAMES).join(', ')}${others})`,
      fix: 'put .* before and after a part of a name',
    });
  }
  return parameters.map(({ parts }) => {
    let end = 0;
    return parts.map(({ name, shape }) => {
      end += shape.reduce((product, size) => product * size, 1);
      return { end, factor: rules.find(({ expression }) => expression.test(name))?.factor ?? 1 };
    });
  });
}

/** What the columns of a row say of its answer: other answers that count as right, and how exact a number must be. */
import { z } from 'zod';
import type { RewardConfig } from '../config/schema.ts';
import { DataError } from '../util/errors.ts';
import type { RewardRow } from './sample.ts';
import type { CheckContext } from './verify/verdict.ts';

const columnsSchema = z.looseObject({
  aliases: z.array(z.string().min(1)).nullish(),
  tolerance: z.number().min(0).max(1).nullish(),
});

/**
 * The answer and the row's `aliases`, and what verifiers are told beside them; the row's `tolerance` overrides the
 * configured one.
 * @throws DataError when one of these columns is not as it should be
 */
export function readAnswers(
  row: RewardRow,
  config: Pick<RewardConfig, 'number_tolerance' | 'box_iou_threshold'>,
): { golds: string[]; context: CheckContext } {
  const columns = columnsSchema.safeParse(row.columns);
  if (!columns.success) {
    throw new DataError({
      where: row.id,
      expected: 'aliases as a list of texts and tolerance as a number from 0 to 1, where they are given',
      found: columns.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
    });
  }
  const { aliases, tolerance } = columns.data;
  return {
    golds: [row.answer, ...(aliases ?? [])],
    context: {
      where: row.id,
      problem: row.problem,
      tolerance: tolerance ?? config.number_tolerance,
      iouThreshold: config.box_iou_threshold,
    },
  };
}

/** Positions of prompt tokens in time, height and width (M-RoPE). */

import { ShapeError } from '../util/errors.ts';
import { tokensOfGrid } from './patches.ts';
import type { Grid } from './patches.ts';

export interface MropePositions {
  /** i32 [3, L]: the rows are time, height and width. */
  positions: Int32Array;
  /** A token after the prompt, at index i of the whole sequence, has position i + ropeDelta in all three rows. */
  ropeDelta: number;
}

/**
 * Positions of a prompt, as `get_rope_index` of transformers' Qwen2.5-VL gives them for pictures: text counts
 * on by one in all three rows; the tokens of a picture share their time and spread over height and width; text
 * goes on after the longer side.
 *
 * Only for prompts: a sampled response may spell the pad token, and there it is text.
 *
 * @param tokens token ids [L], the pad token repeated once per picture token
 * @param grids one per picture, in order, in patches
 * @throws ShapeError if the runs of pad tokens and the grids do not match
 */
export function mropePositions(
  tokens: ArrayLike<number>,
  grids: readonly Grid[],
  { imagePadId, spatialMergeSize }: { imagePadId: number; spatialMergeSize: number },
): MropePositions {
  const length = tokens.length;
  const positions = new Int32Array(3 * length);
  let next = 0;
  let image = 0;
  let index = 0;
  while (index < length) {
    if (tokens[index] !== imagePadId) {
      for (let row = 0; row < 3; row++) positions[row * length + index] = next;
      next++;
      index++;
      continue;
    }
    let end = index;
    while (end < length && tokens[end] === imagePadId) end++;
    const grid = grids[image];
    if (grid === undefined || tokensOfGrid(grid, spatialMergeSize) !== end - index) {
      throw new ShapeError({
        where: `mropePositions: picture ${image + 1} at token ${index}`,
        expected: grid ? `${tokensOfGrid(grid, spatialMergeSize)} pad tokens` : `${grids.length} pictures`,
        found: `a run of ${end - index} pad tokens`,
      });
    }
    const [, gridH, gridW] = grid;
    const height = gridH / spatialMergeSize;
    const width = gridW / spatialMergeSize;
    for (let token = index; token < end; token++) {
      const cell = (token - index) % (height * width);
      positions[token] = next + Math.floor((token - index) / (height * width));
      positions[length + token] = next + Math.floor(cell / width);
      positions[2 * length + token] = next + (cell % width);
    }
    next += Math.max(height, width);
    index = end;
    image++;
  }
  if (image !== grids.length) {
    throw new ShapeError({
      where: 'mropePositions',
      expected: `${grids.length} runs of pad tokens, one per picture`,
      found: `${image}`,
    });
  }
  // Every picture ends below `next` (its time spans one step), so `next` is one above the highest position.
  return { positions, ropeDelta: next - length };
}

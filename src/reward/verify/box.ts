/** One bounding box: [x1, y1, x2, y2], (x1, y1), (x2, y2), {"bbox_2d": [...]}, Qwen's and other tags around it. */
import { type Box, hasArea, overlap } from './boxes.ts';
import { badGold, RIGHT, type Verifier, wrong } from './verdict.ts';

const NUMBER = String.raw`([+-]?\d{1,7}(?:\.\d{0,9})?)`;
const COMMA = String.raw`(?:\s{0,9},\s{0,9}|\s{1,9})`;
const FOUR = [NUMBER, NUMBER, NUMBER, NUMBER].join(COMMA);
const POINT = String.raw`[([]\s{0,9}${NUMBER}${COMMA}${NUMBER}\s{0,9}[)\]]`;
const BOX = new RegExp(String.raw`[([{]\s{0,9}${FOUR}\s{0,9}[)\]}]|${POINT}\s{0,9},?\s{0,9}${POINT}`, 'g');
const BARE = new RegExp(String.raw`^\s{0,9}${FOUR}\s{0,9}\.?\s{0,9}$`);

/**
 * Scores a box by its overlap (IoU) with the gold box, or by whether the overlap reaches the context's threshold.
 * An answer with several different boxes is wrong: it would be a guess for each.
 */
export const verifyBox: Verifier = (extracted, gold, context) => {
  const [right, ...more] = readBoxes(gold);
  if (right === undefined || more.length > 0 || !hasArea(right)) {
    throw badGold(context, 'box', 'one box [x1, y1, x2, y2] with x1 < x2 and y1 < y2', gold);
  }
  const [found, ...others] = readBoxes(extracted);
  if (found === undefined) return wrong('no box');
  if (others.length > 0) return wrong('several different boxes');
  if (!hasArea(found)) return wrong('a box without area');
  const score = overlap(found, right);
  if (context.iouThreshold === null) return { score };
  return score >= context.iouThreshold ? RIGHT : wrong(`overlap ${score.toFixed(2)}`);
};

/** The different boxes that a text states. */
function readBoxes(text: string): Box[] {
  const bare = BARE.exec(text);
  const matches = bare ? [bare] : [...text.matchAll(BOX)];
  const boxes = matches.map((match) =>
    match
      .slice(1)
      .filter((part) => part !== undefined)
      .map(Number),
  );
  const different = new Map(boxes.map((box) => [box.join(), box]));
  return [...different.values()].flatMap(([x1, y1, x2, y2]) =>
    x1 === undefined || y1 === undefined || x2 === undefined || y2 === undefined
      ? []
      : [[x1, y1, x2, y2] as const],
  );
}

/** Object detection: a JSON list of {"bbox_2d": [x1, y1, x2, y2], "label": "cat"}, scored as VLM-R1 does. */
import { z } from 'zod';
import { hasArea, overlap } from './boxes.ts';
import { plainText } from './plain-text.ts';
import { badGold, RIGHT, type Verdict, type Verifier, wrong } from './verdict.ts';

const MAX_BOXES = 200;
const MIN_OVERLAP = 0.5;
const OVERLAP_SHARE = 0.7;
const COMPLETENESS_SHARE = 0.3;

const corners = z.tuple([z.number(), z.number(), z.number(), z.number()]);
const detection = z
  .union([
    z.object({ bbox_2d: corners, label: z.string().default('') }),
    z
      .object({ bbox: corners, label: z.string().default('') })
      .transform(({ bbox, label }) => ({ bbox_2d: bbox, label })),
  ])
  .transform(({ bbox_2d: box, label }) => ({ box, label: plainText(label) }));
const detections = z.union([z.array(detection), detection.transform((one) => [one])]);
type Detection = z.infer<typeof detection>;

/**
 * 0.7 · Σ overlaps / gold boxes + 0.3 · (1 − (miss rate + false alarm rate) / 2), from 0 to 1.
 *
 * Pairs of an answered and a gold box with an overlap of at least 0.5 are taken in falling order of overlap, each
 * box once, whatever their labels. A pair with different labels adds nothing to the sum of overlaps, but its boxes
 * are neither missed nor false alarms. Miss rate: gold boxes without a pair / gold boxes; false alarm rate: answered
 * boxes without a pair / answered boxes.
 *
 * Two departures from VLM-R1: an empty answer to a list with boxes scores 0 instead of 0.15, because saying nothing
 * must not pay; with a threshold in the context, pairs begin there and each counts as a full overlap.
 */
export const verifyDetection: Verifier = (extracted, gold, context) => {
  const right = readDetections(gold);
  if (typeof right === 'string') {
    throw badGold(
      context,
      'detection',
      'a JSON list of {"bbox_2d": [x1, y1, x2, y2], "label": "..."}',
      gold,
      right,
    );
  }
  if (!right.every(({ box }) => hasArea(box))) throw badGold(context, 'detection', 'boxes with areas', gold);
  const found = readDetections(extracted);
  if (typeof found === 'string') return wrong(found);
  if (right.length === 0) return found.length === 0 ? RIGHT : wrong(`${found.length} boxes, not none`);
  return found.length === 0 ? wrong('no boxes') : scoreDetections(found, right, context.iouThreshold);
};

function scoreDetections(
  found: readonly Detection[],
  right: readonly Detection[],
  threshold: number | null,
): Verdict {
  const pairs = found
    .flatMap((mine, i) =>
      right.map((theirs, j) => ({ i, j, iou: hasArea(mine.box) ? overlap(mine.box, theirs.box) : 0 })),
    )
    .filter(({ iou }) => iou >= (threshold ?? MIN_OVERLAP) && iou > 0)
    .sort((a, b) => b.iou - a.iou);
  const usedFound = new Set<number>();
  const usedRight = new Set<number>();
  let sum = 0;
  for (const { i, j, iou } of pairs) {
    if (usedFound.has(i) || usedRight.has(j)) continue;
    usedFound.add(i);
    usedRight.add(j);
    if (found[i]?.label === right[j]?.label) sum += threshold === null ? iou : 1;
  }
  const missRate = 1 - usedRight.size / right.length;
  const falseAlarmRate = 1 - usedFound.size / found.length;
  const completeness = 1 - (missRate + falseAlarmRate) / 2;
  return { score: OVERLAP_SHARE * (sum / right.length) + COMPLETENESS_SHARE * completeness };
}

/** The detections of a text, or why it holds none: the JSON inside a fence, else the text from its first bracket on. */
function readDetections(text: string): Detection[] | string {
  const fenced = text.split('```')[1]?.replace(/^json/i, '') ?? text;
  const start = fenced.search(/[[{]/);
  const end = Math.max(fenced.lastIndexOf(']'), fenced.lastIndexOf('}'));
  const parsed = detections.safeParse(start === -1 ? undefined : parseJson(fenced.slice(start, end + 1)));
  if (!parsed.success) return 'no JSON list of boxes';
  return parsed.data.length > MAX_BOXES ? `more than ${MAX_BOXES} boxes` : parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

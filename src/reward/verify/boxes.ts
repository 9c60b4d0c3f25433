/** Boxes in the plane: corners x1, y1 (top left) and x2, y2 (bottom right), in any unit. */

export type Box = readonly [x1: number, y1: number, x2: number, y2: number];

/** Whether a box has an area. */
export function hasArea([x1, y1, x2, y2]: Box): boolean {
  return x2 > x1 && y2 > y1;
}

/** Intersection over union of two boxes with areas, from 0 to 1; corners are points, not pixels. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (area(a) + area(b) - shared);
}

function area([x1, y1, x2, y2]: Box): number {
  return (x2 - x1) * (y2 - y1);
}

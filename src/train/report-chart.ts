/**
 * Line charts as SVG text, without a library. One drawing serves the report of a run and the picture in the
 * README: it carries its own colours for light and dark, and a title and description for screen readers.
 */

export interface ChartPoint {
  x: number;
  y: number;
}

interface ChartSeries {
  name: string;
  /** In ascending order of x; each value finite. */
  points: readonly ChartPoint[];
  /** `faint` is a thin pale line for raw values, `line` a bold one, `dots` a line with a mark at each value. */
  style: 'faint' | 'line' | 'dots';
  /** Index into the palette; series of one quantity share it. */
  color: number;
}

export interface Chart {
  title: string;
  xLabel: string;
  series: readonly ChartSeries[];
  /** Fixed ends of the y axis, such as [0, 1] for shares; without it the axis fits the data. */
  yRange?: readonly [number, number];
}

const WIDTH = 680;
const HEIGHT = 320;
const MARGIN = { top: 40, right: 16, bottom: 64, left: 60 };
const TICKS = 5;
const MARK_RADIUS = 3.5;
const LEGEND_LETTER_WIDTH = 7;
const LEGEND_GAP = 44;

// Okabe and Ito's colours, which stay apart for the colour-blind; lighter ones where the ground is dark.
const LIGHT = ['#0072b2', '#d55e00', '#007a5a', '#a0527f'];
const DARK = ['#56b4e9', '#f0a04b', '#3fc8a0', '#e09cc0'];
// Colour is never the only difference.
const DASHES = ['none', '7 4', '2 3', '9 3 2 3'];

/** Draws a chart; a chart without any value says so. Names and titles are escaped. */
export function drawChart(chart: Chart): string {
  const points = chart.series.flatMap((series) => series.points);
  for (const { x, y } of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y))
      throw new RangeError(`${chart.title}: a point is not finite`);
  }
  const body = points.length === 0 ? emptyNote() : drawBody(chart, points);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    `<title>${escapeText(chart.title)}</title>`,
    `<desc>${escapeText(describe(chart))}</desc>`,
    `<style>${styles()}</style>`,
    `<rect class="chart-ground" width="${WIDTH}" height="${HEIGHT}" rx="6"/>`,
    `<text class="chart-title" x="${MARGIN.left}" y="24">${escapeText(chart.title)}</text>`,
    body,
    '</svg>',
  ].join('\n');
}

/** Makes text safe inside HTML and SVG, in content and in quoted attributes. */
export function escapeText(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  // Control characters other than tab and line breaks are not allowed in XML at all.
  // oxlint-disable-next-line no-control-regex
  const printable = text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffe\uffff]/g, '\ufffd');
  return printable.toWellFormed().replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** A number in at most four digits. */
export function formatNumber(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 0.001 || size >= 1e6) return value.toExponential(1);
  return String(Number(value.toPrecision(4)));
}

interface Scale {
  toPixel: (value: number) => number;
  ticks: number[];
}

function drawBody(chart: Chart, points: readonly ChartPoint[]): string {
  const right = WIDTH - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  const x = makeScale(minimum(xs), maximum(xs), MARGIN.left, right);
  const [low, high] = chart.yRange ?? paddedRange(minimum(ys), maximum(ys));
  const y = makeScale(low, high, bottom, MARGIN.top);
  return [
    ...drawAxes(x, y, chart.xLabel),
    ...chart.series.map((series) => drawSeries(series, x, y)),
    drawLegend(chart),
  ].join('\n');
}

function drawAxes(x: Scale, y: Scale, xLabel: string): string[] {
  const right = WIDTH - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const rows = y.ticks.map((tick) => {
    const at = pixel(y.toPixel(tick));
    const label = `<text x="${MARGIN.left - 8}" y="${at + 4}" text-anchor="end">${formatNumber(tick)}</text>`;
    return `<line class="chart-grid" x1="${MARGIN.left}" x2="${right}" y1="${at}" y2="${at}"/>${label}`;
  });
  const columns = x.ticks.map((tick) => {
    const at = pixel(x.toPixel(tick));
    return `<text x="${at}" y="${bottom + 18}" text-anchor="middle">${formatNumber(tick)}</text>`;
  });
  const name = `<text x="${right}" y="${bottom + 34}" text-anchor="end">${escapeText(xLabel)}</text>`;
  return [...rows, ...columns, name];
}

function drawSeries({ points, style, color }: ChartSeries, x: Scale, y: Scale): string {
  const places = points.map((point) => ({ left: pixel(x.toPixel(point.x)), top: pixel(y.toPixel(point.y)) }));
  const path = places.map(({ left, top }, i) => `${i === 0 ? 'M' : 'L'}${left} ${top}`).join('');
  const line = `<path class="chart-${style} chart-color-${color}" d="${path}"/>`;
  // A line needs two points to be seen.
  if (style !== 'dots' && points.length > 1) return line;
  const marks = places.map(
    ({ left, top }) =>
      `<circle class="chart-mark chart-color-${color}" cx="${left}" cy="${top}" r="${MARK_RADIUS}"/>`,
  );
  return line + marks.join('');
}

function drawLegend({ series }: Chart): string {
  let left = MARGIN.left;
  const top = HEIGHT - 14;
  const entries = series.map(({ name, style, color }) => {
    const key = `<path class="chart-${style} chart-color-${color}" d="M${left} ${top - 4}h24"/>`;
    const entry = `${key}<text x="${left + 30}" y="${top}">${escapeText(name)}</text>`;
    left += LEGEND_GAP + name.length * LEGEND_LETTER_WIDTH;
    return entry;
  });
  return entries.join('');
}

function makeScale(low: number, high: number, start: number, end: number): Scale {
  // A single value still needs an axis of some length.
  const span = high > low ? high - low : 1;
  const step = tickStep(span / TICKS);
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step); i * step <= low + span * (1 + 1e-9); i++) ticks.push(i * step);
  return { toPixel: (value) => start + ((value - low) / span) * (end - start), ticks };
}

/** The least of 1, 2, 5, 10, 20 … (and their fractions) that is not below `raw`. */
function tickStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const digit = [1, 2, 5, 10].find((candidate) => candidate * power >= raw * (1 - 1e-9)) ?? 10;
  return digit * power;
}

function paddedRange(low: number, high: number): [number, number] {
  const padding = (high - low || Math.abs(high) || 1) * 0.08;
  return [low >= 0 && low - padding < 0 ? 0 : low - padding, high + padding];
}

function describe({ series, xLabel }: Chart): string {
  const parts = series.map(({ name, points }) => {
    const first = points[0];
    const last = points.at(-1);
    if (!first || !last) return `${name}: no values`;
    const ends = `${formatNumber(first.y)} at ${formatNumber(first.x)} to ${formatNumber(last.y)} at ${formatNumber(last.x)}`;
    return `${name}: ${ends}`;
  });
  return `By ${xLabel}. ${parts.join('; ')}.`;
}

function emptyNote(): string {
  return `<text x="${WIDTH / 2}" y="${HEIGHT / 2}" text-anchor="middle">no values yet</text>`;
}

function styles(): string {
  // currentColor and not a CSS variable: some readers of SVG files know no variables.
  const colors = (palette: readonly string[]): string =>
    palette.map((color, i) => `.chart-color-${i}{color:${color}}`).join('');
  const dashes = DASHES.map((dash, i) => `.chart-line.chart-color-${i}{stroke-dasharray:${dash}}`).join('');
  return [
    'svg text{font:13px system-ui,sans-serif;fill:#333}svg .chart-title{font-size:15px;font-weight:600}',
    '.chart-ground{fill:#fff}.chart-grid{stroke:#ddd}',
    '.chart-line,.chart-dots,.chart-faint{fill:none;stroke:currentColor;stroke-width:2.4;stroke-linejoin:round}',
    '.chart-faint{stroke-width:1;opacity:.45}.chart-mark{fill:currentColor}',
    dashes,
    colors(LIGHT),
    `@media(prefers-color-scheme:dark){svg text{fill:#ddd}.chart-ground{fill:#16191d}.chart-grid{stroke:#3a3f46}${colors(DARK)}}`,
  ].join('');
}

function pixel(value: number): number {
  return Math.round(value * 10) / 10;
}

// Not Math.min(...values): a long run has more values than a call may have arguments.
function minimum(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b));
}

function maximum(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b));
}

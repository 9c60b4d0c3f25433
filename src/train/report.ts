/**
 * The report of a run: one HTML file that opens anywhere, without scripts and without the network. It shows the
 * curves of reward and accuracy, some groups of responses with their pictures, and how the run was set up.
 */

import path from 'node:path';
import sharp from 'sharp';
import { writeFileAtomic } from '../io/atomic.ts';
import { drawChart, escapeText, formatNumber, type Chart } from './report-chart.ts';
import {
  meanOf,
  metricPoints,
  readMetrics,
  readRolloutGroups,
  readSettings,
  smooth,
  type RolloutGroup,
  type SettingRows,
  type StepMetrics,
} from './report-data.ts';

/** Steps in a smoothed value, and at each end of the run when its start and end are compared. */
const WINDOW = 10;
const GROUPS_PER_STEP = 3;
const RESPONSES_PER_GROUP = 8;
const MAX_PICTURE_SIDE = 360;
/** A picture narrower than this is shown enlarged, with its pixels visible. */
const MIN_SHOWN_WIDTH = 168;

/** Metrics drawn each in a chart of its own when the run has them. */
const DETAILS: readonly [metric: string, title: string][] = [
  ['actor/grad_norm', 'Gradient norm before clipping'],
  ['response_length/mean', 'Mean length of a response (tokens)'],
  ['actor/entropy', 'Entropy of the policy (nats a token)'],
  ['actor/kl_loss', 'KL to the reference policy (nats a token)'],
  ['timing_s/step', 'Time of a step (s)'],
];

export interface ReportOptions {
  title: string;
}

/**
 * Writes the report of a run folder (`metrics.jsonl`; `rollouts/`, `config.yaml` and `environment.json` where
 * they are). All text of the run is escaped: a response cannot become markup.
 *
 * @throws DataError when the metrics are missing or a file of the run is damaged
 * @throws ConfigError when `outFile` cannot be written
 */
export async function writeReport(runDir: string, outFile: string, { title }: ReportOptions): Promise<void> {
  const metrics = await readMetrics(runDir);
  const groups = await readRolloutGroups(runDir, GROUPS_PER_STEP);
  const sections = [
    summary(metrics),
    `<section><h2>Learning</h2>${figure(rewardChart(metrics))}${figure(accuracyChart(metrics))}</section>`,
    await rolloutSection(groups),
    detailSection(metrics),
    settingsSection('Configuration', await readSettings(path.join(runDir, 'config.yaml'))),
    settingsSection('Environment', await readSettings(path.join(runDir, 'environment.json'))),
  ];
  await writeFileAtomic(outFile, page(title, sections));
}

/**
 * Writes the curve of the report's first chart as a picture of its own.
 * @throws ConfigError when `outFile` cannot be written
 */
export async function writeCurveSvg(metrics: readonly StepMetrics[], outFile: string): Promise<void> {
  await writeFileAtomic(outFile, `${drawChart(curveChart(metrics))}\n`);
}

function curveChart(metrics: readonly StepMetrics[]): Chart {
  const reward = metricPoints(metrics, 'reward/overall');
  return {
    title: 'Mean reward of sampled responses and held-out accuracy',
    xLabel: 'step',
    yRange: [0, 1],
    series: [
      { name: 'reward', points: reward, style: 'faint', color: 0 },
      { name: `reward, mean of ${WINDOW} steps`, points: smooth(reward, WINDOW), style: 'line', color: 0 },
      {
        name: 'held-out accuracy',
        points: metricPoints(metrics, 'val/accuracy_reward'),
        style: 'dots',
        color: 1,
      },
    ],
  };
}

function rewardChart(metrics: readonly StepMetrics[]): Chart {
  const overall = metricPoints(metrics, 'reward/overall');
  const format = smooth(metricPoints(metrics, 'reward/format'), WINDOW);
  return {
    title: 'Mean reward of sampled responses',
    xLabel: 'step',
    yRange: [0, 1],
    series: [
      { name: 'reward', points: overall, style: 'faint', color: 0 },
      { name: `mean of ${WINDOW} steps`, points: smooth(overall, WINDOW), style: 'line', color: 0 },
      { name: 'its format part', points: format, style: 'line', color: 2 },
    ],
  };
}

function accuracyChart(metrics: readonly StepMetrics[]): Chart {
  const sampled = metricPoints(metrics, 'reward/accuracy');
  return {
    title: 'Accuracy: sampled on training rows, greedy on held-out rows',
    xLabel: 'step',
    yRange: [0, 1],
    series: [
      { name: 'sampled', points: sampled, style: 'faint', color: 3 },
      { name: `sampled, mean of ${WINDOW} steps`, points: smooth(sampled, WINDOW), style: 'line', color: 3 },
      { name: 'held-out', points: metricPoints(metrics, 'val/accuracy_reward'), style: 'dots', color: 1 },
    ],
  };
}

function summary(metrics: readonly StepMetrics[]): string {
  const reward = metricPoints(metrics, 'reward/overall');
  const held = metricPoints(metrics, 'val/accuracy_reward');
  const seconds = metricPoints(metrics, 'timing_s/step').reduce((sum, { y }) => sum + y, 0);
  const window = Math.min(WINDOW, reward.length);
  const facts: [string, string][] = [['Steps', String(metrics.at(-1)?.step ?? 0)]];
  if (window > 0) {
    const ends = [reward.slice(0, window), reward.slice(-window)].map((points) => meanOf(points).toFixed(3));
    facts.push([`Mean reward, first ${window} steps → last ${window}`, ends.join(' → ')]);
  }
  const [first, last] = [held[0], held.at(-1)];
  if (first && last)
    facts.push(['Held-out accuracy, first → last', `${percent(first.y)} → ${percent(last.y)}`]);
  if (seconds > 0) facts.push(['Time in steps', `${(seconds / 60).toFixed(1)} min`]);
  const items = facts.map(
    ([name, value]) => `<div><dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd></div>`,
  );
  return `<dl class="facts">${items.join('')}</dl>`;
}

async function rolloutSection(groups: readonly RolloutGroup[]): Promise<string> {
  if (groups.length === 0) return '';
  const articles = await Promise.all(groups.map(groupArticle));
  const note =
    'Groups of the first and the last step whose responses were kept. A response is reinforced by its advantage.';
  return `<section><h2>Responses</h2><p>${note}</p>${articles.join('\n')}</section>`;
}

async function groupArticle({ step, problem, answer, images, group }: RolloutGroup): Promise<string> {
  const pictures = await Promise.all(images.map(pictureTag));
  const rows = group.slice(0, RESPONSES_PER_GROUP).map((response) => {
    const parts = Object.entries(response.parts).map(([name, value]) => `${name} ${numberOrDash(value)}`);
    const advantage = response.advantage == null ? '' : formatNumber(response.advantage);
    const cells = [
      numberOrDash(response.reward),
      advantage,
      parts.join(', '),
      response.method ?? '',
      response.extracted ?? '',
      response.end ?? '',
    ];
    const code = `<td><code>${escapeText(response.response)}</code></td>`;
    return `<tr>${code}${cells.map((cell) => `<td>${escapeText(cell)}</td>`).join('')}</tr>`;
  });
  const left = group.length - rows.length;
  const head = ['response', 'reward', 'advantage', 'parts', 'judged by', 'read as', 'end'].map(
    (name) => `<th scope="col">${name}</th>`,
  );
  return [
    `<article><h3>Step ${step}</h3><div class="pictures">${pictures.join('')}</div>`,
    `<p class="problem">${escapeText(problem)}</p><p>Expected: <b>${escapeText(answer)}</b></p>`,
    `<div class="wide"><table><thead><tr>${head.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`,
    left > 0 ? `<p>and ${left} more</p>` : '',
    '</article>',
  ].join('');
}

/** A part of the reward that is not known has none. */
function numberOrDash(value: number | null): string {
  return value === null ? '\u2013' : formatNumber(value);
}

/** Decoded and encoded anew, so that the report holds pixels and nothing else of the file. */
async function pictureTag(file: string): Promise<string> {
  try {
    const fit = {
      width: MAX_PICTURE_SIDE,
      height: MAX_PICTURE_SIDE,
      fit: 'inside',
      withoutEnlargement: true,
    } as const;
    const { data, info } = await sharp(file).resize(fit).png().toBuffer({ resolveWithObject: true });
    const scale = Math.max(1, Math.ceil(MIN_SHOWN_WIDTH / info.width));
    const size = `width="${info.width * scale}" height="${info.height * scale}"`;
    return `<img alt="picture of the problem" ${size} src="data:image/png;base64,${data.toString('base64')}">`;
  } catch {
    // The rows of a report outlive their pictures: a moved file is told, not fatal.
    return `<p class="missing">picture not readable: ${escapeText(path.basename(file))}</p>`;
  }
}

function detailSection(metrics: readonly StepMetrics[]): string {
  const figures = DETAILS.flatMap(([metric, title]) => {
    const points = metricPoints(metrics, metric);
    if (points.length === 0) return [];
    return [figure({ title, xLabel: 'step', series: [{ name: metric, points, style: 'line', color: 0 }] })];
  });
  return figures.length === 0 ? '' : `<section><h2>Course of the run</h2>${figures.join('')}</section>`;
}

function figure(chart: Chart): string {
  return `<figure>${drawChart(chart)}</figure>`;
}

function settingsSection(name: string, rows: SettingRows): string {
  if (rows.length === 0) return '';
  const lines = rows.map(
    ([key, value]) => `<tr><th scope="row">${escapeText(key)}</th><td>${escapeText(value)}</td></tr>`,
  );
  return `<section><h2>${name}</h2><div class="wide"><table>${lines.join('')}</table></div></section>`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

// The policy forbids scripts and every request: a second wall behind the escaping.
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
const STYLE = `:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{margin-top:2.5rem}figure{margin:1rem 0}figure>svg{width:100%;height:auto}
.facts{display:flex;flex-wrap:wrap;gap:1rem 2.5rem}.facts dd{margin:0;font-size:1.4rem;font-weight:600}
article{border-top:1px solid #8886;padding:.5rem 0}.pictures{display:flex;flex-wrap:wrap;gap:.5rem}
img{image-rendering:pixelated;max-width:100%}.problem{font-weight:600;white-space:pre-wrap}.missing{font-style:italic}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884}
th[scope=row]{font-weight:400}code{white-space:pre-wrap;overflow-wrap:anywhere}`;

function page(title: string, sections: readonly string[]): string {
  const name = escapeText(title);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${name}</h1>
${sections.filter((section) => section !== '').join('\n')}
</main>
</body>
</html>
`;
}

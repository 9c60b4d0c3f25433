import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { drawChart, escapeText } from '../../src/train/report-chart.ts';
import { metricPoints, readMetrics, smooth } from '../../src/train/report-data.ts';
import { writeCurveSvg, writeReport } from '../../src/train/report.ts';
import { ConfigError, DataError } from '../../src/util/errors.ts';

const HOSTILE = `</code></table><script>alert("x")</script><img src=x onerror='alert(1)'>&amp;\u0000`;
const STEPS = 30;
// A pixel inside the line may still take a little of the ground: its edge is 1.2 pixels away.
const ANTIALIASING = 8;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'report-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('writeReport', () => {
  it('shows the curves, the responses, the pictures and the settings of a run', async () => {
    const html = await reportOf({});
    expect(html.match(/<svg /g)).toHaveLength(4);
    // Reward rises by 0.01 a step from 0.41: 0.455 is the mean of the first ten steps, 0.655 of the last ten.
    expect(html).toContain('0.455 → 0.655');
    expect(html).toContain('50.0 % → 80.0 %');
    expect(html).toContain('1.0 min');
    expect(html).toContain('Step 1<');
    expect(html).toContain('Step 30<');
    expect(html).toContain('&lt;think&gt;3+5&lt;/think&gt;&lt;answer&gt;8&lt;/answer&gt;');
    expect(html).toContain('<th scope="row">optim.betas</th><td>[0.9,0.95]</td>');
    expect(html).toContain('<th scope="row">adapter.name</th><td>SwiftShader</td>');
  });

  it('embeds pictures as pixels, enlarged when they are tiny', async () => {
    const html = await reportOf({});
    const picture =
      /<img alt="[^"]+" width="(\d+)" height="(\d+)" src="data:image\/png;base64,([^"]+)">/.exec(html);
    expect(picture?.slice(1, 3)).toEqual(['168', '84']);
    const { info } = await sharp(Buffer.from(picture?.[3] ?? '', 'base64')).toBuffer({
      resolveWithObject: true,
    });
    expect([info.width, info.height]).toEqual([56, 28]);
  });

  it('tells of a picture that is gone', async () => {
    expect(await reportOf({ image: 'no-<b>-such.png' })).toContain(
      'picture not readable: no-&lt;b&gt;-such.png',
    );
  });

  it('keeps hostile text as text and asks for nothing from outside', async () => {
    const html = await reportOf({ text: HOSTILE, title: HOSTILE });
    expect(html).not.toMatch(/<script|<img src=x|onerror='/);
    const escaped =
      '&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;amp;';
    // Title twice; problem, answer, response, parts, extracted and end in each of two groups; one setting.
    expect(html.split(escaped)).toHaveLength(1 + 2 + 2 * 6 + 1);
    const addresses = html.match(/(?:https?:)?\/\/[\w.]+/g) ?? [];
    expect(new Set(addresses)).toEqual(new Set(['http://www.w3.org'])); // the name of the SVG language
    expect(html).toContain(`content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"`);
  });

  it('makes do with metrics alone', async () => {
    await writeFile(path.join(folder, 'metrics.jsonl'), '{"step":1,"reward/overall":0.5}\n');
    await writeReport(folder, path.join(folder, 'out.html'), { title: 'short' });
    const html = await readFile(path.join(folder, 'out.html'), 'utf8');
    expect(html).toContain('0.500 → 0.500');
    expect(html).toContain('no values yet');
  });

  it('says what is missing or damaged, and where', async () => {
    const out = path.join(folder, 'out.html');
    await expect(writeReport(folder, out, { title: 't' })).rejects.toThrow(DataError);
    await writeFile(path.join(folder, 'metrics.jsonl'), '');
    await expect(writeReport(folder, out, { title: 't' })).rejects.toThrow(/train at least one step/);
    await writeFile(path.join(folder, 'metrics.jsonl'), '{"step":1}\n{"reward":1}\n');
    await expect(writeReport(folder, out, { title: 't' })).rejects.toThrow(/metrics\.jsonl:2/);
    await writeFile(path.join(folder, 'metrics.jsonl'), '{"step":1}\n');
    await expect(writeReport(folder, path.join(folder, 'no/out.html'), { title: 't' })).rejects.toThrow(
      ConfigError,
    );
  });
});

describe('readMetrics', () => {
  it('lets the lines after a resume win and leaves out what is no number', async () => {
    const lines = [
      '{"step":2,"a":1,"b":1}',
      '{"step":3,"a":9}',
      '{"step":1,"a":0}',
      '{"step":2,"a":5,"b":null,"c":"x"}',
    ];
    await writeFile(path.join(folder, 'metrics.jsonl'), lines.join('\n'));
    const metrics = await readMetrics(folder);
    expect(metricPoints(metrics, 'a')).toEqual([
      { x: 1, y: 0 },
      { x: 2, y: 5 },
      { x: 3, y: 9 },
    ]);
    expect(metricPoints(metrics, 'b')).toEqual([]);
    expect(metricPoints(metrics, 'c')).toEqual([]);
  });
});

describe('smooth', () => {
  it('averages each value with those before it', () => {
    const points = [1, 2, 6, 0].map((y, x) => ({ x, y }));
    expect(smooth(points, 3).map(({ y }) => y)).toEqual([1, 1.5, 3, 8 / 3]);
  });
});

describe('drawChart', () => {
  const points = [
    { x: 0, y: 0 },
    { x: 50, y: 0.5 },
    { x: 100, y: 1 },
  ];
  const series = { name: 'reward', points, style: 'line', color: 0 } as const;

  it('puts values where the axes say', () => {
    const svg = drawChart({ title: 't', xLabel: 'step', yRange: [0, 1], series: [series] });
    expect(svg).toContain('d="M60 256L362 148L664 40"');
    for (const [tick, at] of [
      ['0', 260],
      ['0.2', 216.8],
      ['1', 44],
    ] as const) {
      expect(svg).toContain(`y="${at}" text-anchor="end">${tick}</text>`);
    }
    expect(svg).toContain('reward: 0 at 0 to 1 at 100');
  });

  it('is a picture that a strict reader of SVG accepts', async () => {
    const title = `${HOSTILE} \ud800`;
    const svg = drawChart({ title, xLabel: '<&>', yRange: [0, 1], series: [{ ...series, name: HOSTILE }] });
    const { data, info } = await sharp(Buffer.from(svg))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([680, 320]);
    // The middle of the line has the first colour of the light palette.
    const middle = (148 * info.width + 362) * info.channels;
    for (const [channel, value] of [0x00, 0x72, 0xb2].entries()) {
      expect(Math.abs((data[middle + channel] ?? Number.NaN) - value)).toBeLessThanOrEqual(ANTIALIASING);
    }
  });

  it('draws one value, equal values and none', () => {
    const one = drawChart({ title: 't', xLabel: 'step', series: [{ ...series, points: [{ x: 3, y: 7 }] }] });
    expect(one).toContain('<circle');
    const flat = drawChart({
      title: 't',
      xLabel: 'step',
      series: [{ ...series, points: points.map(({ x }) => ({ x, y: 0 })) }],
    });
    expect(flat).toMatch(/d="M60 [\d.]+L362 [\d.]+L664 [\d.]+"/);
    expect(drawChart({ title: 't', xLabel: 'step', series: [{ ...series, points: [] }] })).toContain(
      'no values yet',
    );
  });

  it('refuses a value that is no number', () => {
    const bad = { ...series, points: [{ x: 1, y: Number.NaN }] };
    expect(() => drawChart({ title: 'loss', xLabel: 'step', series: [bad] })).toThrow(
      /loss: a point is not finite/,
    );
  });
});

describe('escapeText', () => {
  it('leaves no character that opens markup or breaks XML', () => {
    expect(escapeText(`<a href="x">'&'</a>\u0000\ud800`)).toBe(
      '&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;\ufffd\ufffd',
    );
  });
});

describe('writeCurveSvg', () => {
  it('writes the curve as a picture', async () => {
    await writeRun({});
    const file = path.join(folder, 'curve.svg');
    await writeCurveSvg(await readMetrics(folder), file);
    const svg = await readFile(file, 'utf8');
    expect(svg).toContain('held-out accuracy: 0.5 at 0 to 0.8 at 30');
    await expect(sharp(Buffer.from(svg)).png().toBuffer()).resolves.toBeInstanceOf(Buffer);
  });
});

interface RunOptions {
  text?: string;
  image?: string;
  title?: string;
}

async function reportOf(options: RunOptions): Promise<string> {
  await writeRun(options);
  const file = path.join(folder, 'report.html');
  await writeReport(folder, file, { title: options.title ?? 'A run' });
  return readFile(file, 'utf8');
}

/** A run of 30 steps whose reward rises by 0.01 a step. */
async function writeRun({ text, image = 'picture.png' }: RunOptions): Promise<void> {
  const lines = ['{"step":0,"val/accuracy_reward":0.5}'];
  for (let step = 1; step <= STEPS; step++) {
    const reward = 0.4 + step / 100;
    const parts = {
      'reward/overall': reward,
      'reward/accuracy': reward - 0.1,
      'reward/format': 1,
    };
    const own = { 'actor/grad_norm': 1 / step, 'timing_s/step': 2, note: 'not a number' };
    lines.push(
      JSON.stringify({ step, ...parts, ...own, ...(step === STEPS ? { 'val/accuracy_reward': 0.8 } : {}) }),
    );
  }
  await writeFile(path.join(folder, 'metrics.jsonl'), `${lines.join('\n')}\n`);

  const black = sharp({ create: { width: 56, height: 28, channels: 3, background: 'black' } });
  await black.png().toFile(path.join(folder, 'picture.png'));
  await mkdir(path.join(folder, 'rollouts'));
  for (const step of [1, 9, 10, STEPS]) {
    const right = {
      response: text ?? '<think>3+5</think><answer>8</answer>',
      reward: 1,
      parts: { [text ?? 'accuracy']: 1 },
      advantage: 0.7,
      extracted: text ?? '8',
      method: 'number',
      end: text ?? 'eos',
    };
    const wrong = {
      response: '9',
      reward: 0,
      parts: {},
      advantage: -0.7,
      extracted: null,
      method: 'number',
      end: 'eos',
    };
    const row = { step, prompt_id: 'rl:1', problem: text ?? 'Add the digits.', answer: text ?? '8' };
    const group = { ...row, images: [path.join(folder, image)], group: [right, wrong] };
    const name = `step_${String(step).padStart(6, '0')}.jsonl`;
    await writeFile(path.join(folder, 'rollouts', name), `${JSON.stringify(group)}\n`);
  }
  const config = {
    optim: { lr: 1e-4, betas: [0.9, 0.95] },
    trainer: { experiment_name: text ?? 'quickstart' },
  };
  await writeFile(path.join(folder, 'config.yaml'), JSON.stringify(config));
  await writeFile(path.join(folder, 'environment.json'), '{"adapter":{"name":"SwiftShader"}}');
}

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseConfig } from '../../src/config/load.ts';
import type { RewardConfig } from '../../src/config/schema.ts';
import type { AssessmentRequest } from '../../src/reward/assessor.ts';
import { OnnxModel } from '../../src/reward/onnx-model.ts';
import { RewardModel } from '../../src/reward/reward-model.ts';
import { CheckpointError, ConfigError } from '../../src/util/errors.ts';

type ModelConfig = RewardConfig['model'];

/** Made by scripts/reward-model/make_fixture.py: 4 for the label that a word names, averaged over the words. */
const THREE_LABELS = fileURLToPath(new URL('three-labels', import.meta.url));
const MINI = fileURLToPath(new URL('../../checkpoints/reward-mini', import.meta.url));
const DEFAULTS = parseConfig('{model: {path: m}, data: {train_files: t}}', 'test.yaml').reward.model;

const opened: RewardModel[] = [];
afterAll(() => Promise.all(opened.map((model) => model.close())));

async function open(path: string, settings: Partial<ModelConfig> = {}): Promise<RewardModel> {
  const model = await RewardModel.open({ ...DEFAULTS, path, ...settings });
  opened.push(model);
  return model;
}

/** The model of three labels, which reads the answer alone. */
const openLabels = (settings: Partial<ModelConfig> = {}): Promise<RewardModel> =>
  open(THREE_LABELS, { text: '{extracted}', text_pair: null, ...settings });

function ask(extracted: string, answer = 'gold', problem = 'question'): AssessmentRequest {
  const row = { id: 't:1', problem, answer, category: '', reward: 'model', images: [], columns: {} };
  return { row, response: `<think></think><answer>${extracted}</answer>`, extracted };
}

async function scores(
  model: RewardModel,
  answers: readonly string[],
  gold?: string,
): Promise<(number | null)[]> {
  const assessments = await model.assess(answers.map((answer) => ask(answer, gold)));
  return assessments.map(({ score }) => score);
}

const softmax = (logits: number[], place: number): number =>
  Math.exp(logits[place]!) / logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));

describe('from logits to a score', () => {
  const answers = ['right', 'wrong', 'maybe', 'right wrong'];
  const logits = [
    [0, 0, 4],
    [4, 0, 0],
    [0, 4, 0],
    [2, 0, 2],
  ];

  it.each([
    ['softmax of the last label by default', {}, (row: number[]) => softmax(row, 2)],
    ['softmax of a label by name', { label: 'maybe' }, (row: number[]) => softmax(row, 1)],
    ['sigmoid of one label', { activation: 'sigmoid', label: 'right' }, (row: number[]) => sigmoid(row[2]!)],
    ['a threshold', { threshold: 0.9 }, (row: number[]) => Number(softmax(row, 2) >= 0.9)],
  ] satisfies [string, Partial<ModelConfig>, (row: number[]) => number][])(
    '%s',
    async (_, settings, expected) => {
      const model = await openLabels(settings);
      const found = await scores(model, answers);
      found.forEach((score, i) => expect(score).toBeCloseTo(expected(logits[i]!), 6));
    },
  );

  it('a raw logit is kept between 0 and 1, and says so', async () => {
    const model = await openLabels({ activation: 'none', label: 'right' });
    const [high, middle] = await model.assess([
      ask('right'),
      ask('right wrong wrong wrong wrong wrong wrong wrong'),
    ]);
    expect(high).toEqual({ score: 1, note: expect.stringMatching(/gave 4, which is not between 0 and 1/) });
    expect(middle).toEqual({ score: 0.5 });
  });
});

describe('what cannot be assessed is null, never 0', () => {
  it('a score that is not a number, without a trace in the other rows of the batch', async () => {
    const model = await openLabels();
    const assessments = await model.assess([ask('right'), ask('nan right'), ask('wrong')]);
    expect(assessments.map(({ score }) => score === null)).toEqual([false, true, false]);
    expect(assessments[1]!.note).toMatch(/not finite/);
    expect(model.counters).toMatchObject({ 'reward_model/calls': 3, 'reward_model/failures': 1 });
    expect(model.counters['timing_s/reward_model']).toBeGreaterThan(0);
  });

  it('a batch in which ONNX Runtime fails', async () => {
    const model = await openLabels({ batch_size: 2 });
    // Batches are made by length: the failure takes the longest two with it.
    const assessments = await model.assess([
      ask('broken right right'),
      ask('right'),
      ask('wrong'),
      ask('right right right'),
    ]);
    expect(assessments.map(({ score }) => score === null)).toEqual([true, false, false, true]);
    expect(assessments[0]!.note).toMatch(/the reward model failed: .*out of/s);
    expect(await scores(model, ['right'])).toEqual([assessments[1]!.score]);
  });
});

describe('texts', () => {
  it('come from the templates', async () => {
    const model = await open(THREE_LABELS, {
      text: '{problem} {answer} {extracted}',
      text_pair: null,
      activation: 'none',
      label: 'right',
    });
    const [{ score } = { score: null }] = await model.assess([ask('x', 'x', 'right x x x x x')]);
    expect(score).toBeCloseTo(4 / 8, 6);
  });

  it('that are too long are cut in the longer one, and the note says so', async () => {
    const model = await open(THREE_LABELS, {
      text: '{problem}',
      text_pair: '{extracted}',
      activation: 'none',
      label: 'right',
    });
    const long = 'maybe '.repeat(1000);
    const [cut, whole] = await model.assess([
      ask('right right', '', long),
      ask('right right', '', 'maybe maybe'),
    ]);
    expect(cut!.note).toMatch(/read only its 8 tokens/);
    expect(cut!.score).toBeGreaterThanOrEqual((2 * 4) / 8 / 4);
    expect(whole!.note).toMatch(/^the reward model gave 2, /);
  });

  it('cannot spell a special token', async () => {
    const model = await OnnxModel.open(MINI, DEFAULTS);
    expect(model.defuse('a [SEP] b[CLS][PAD]')).toBe('a [ SEP] b[ CLS][ PAD]');
    await model.close();
  });
});

describe('opening', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reward-model-'));
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'onnx']) {
      await symlink(join(THREE_LABELS, name), join(folder, name));
    }
    await writeFile(join(folder, 'config.json'), '{"id2label": 3}');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const single = { text: '{extracted}', text_pair: null };
  it.each([
    ['no folder', { path: '/nowhere' }, /\/nowhere\/config\.json[^]*ENOENT/],
    [
      'a wrong file of another dtype',
      { dtype: 'q8' },
      /model_quantized\.onnx[^]*found: {4}model\.onnx[^]*dtype/,
    ],
    [
      'a model for another task',
      { task: 'similarity', text_pair: '{extracted}' },
      /last_hidden_state[^]*logits/,
    ],
  ] satisfies [string, Partial<ModelConfig>, RegExp][])('refuses %s', async (_, settings, message) => {
    const opening = RewardModel.open({ ...DEFAULTS, path: THREE_LABELS, ...single, ...settings });
    await expect(opening).rejects.toThrow(CheckpointError);
    await expect(opening).rejects.toThrow(message);
  });

  it('refuses a config.json that is none', async () => {
    await expect(RewardModel.open({ ...DEFAULTS, path: folder })).rejects.toThrow(
      /config\.json[^]*model_type[^]*id2label/,
    );
  });

  it.each([
    ['a label that is not there', { label: 'good' }, /reward\.model\.label[^]*wrong, maybe, right[^]*good/],
    ['sigmoid without a label', { activation: 'sigmoid' }, /one of wrong, maybe, right/],
    ['softmax of one label', { path: MINI, activation: 'softmax', text_pair: '{answer}' }, /always 1/],
    [
      'a template with an unknown field',
      { text: '{extract}' },
      /reward\.model\.text[^]*\{extracted\}[^]*\{extract\}/,
    ],
    ['templates without the response', { text: '{answer}' }, /every response gets the same score/],
    ['similarity to nothing', { task: 'similarity' }, /reward\.model\.text_pair/],
    ['no path', { path: null }, /reward\.model\.path/],
  ] satisfies [string, Partial<ModelConfig>, RegExp][])('refuses %s', async (_, settings, message) => {
    const opening = RewardModel.open({ ...DEFAULTS, path: THREE_LABELS, ...single, ...settings });
    await expect(opening).rejects.toThrow(ConfigError);
    await expect(opening).rejects.toThrow(message);
  });
});

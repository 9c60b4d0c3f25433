import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jsonSchema, knownKeys, nearestKey } from '../../src/config/known-keys.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { changedKeys, configHash, resolvedYaml } from '../../src/config/resolved.ts';
import { WETHINK_SYSTEM_PROMPT } from '../../src/config/system-prompt.ts';
import { ConfigError } from '../../src/util/errors.ts';

const MINIMAL = 'model: {path: m}\ndata: {train_files: t.jsonl}\n';

/** The message of the ConfigError that parsing throws. */
function problemsOf(source: string, overrides: string[] = []): string {
  try {
    parseConfig(source, 'configs/try.yaml', overrides);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('expected a ConfigError');
}

describe('defaults', () => {
  it('fills every section', () => {
    const config = parseConfig(MINIMAL, 'configs/digits.yaml');
    expect(config.model).toEqual({
      path: 'm',
      freeze_vision_tower: false,
      gradient_checkpointing: true,
      quantization: 'none',
      quantization_group: 32,
      quantization_scales: 'f16',
      from_scratch: false,
      lora: {
        rank: 0,
        alpha: 64,
        use_rslora: false,
        target_modules: 'all-linear',
        exclude_modules: '.*visual.*',
      },
    });
    expect(config.data.train_files).toEqual(['t.jsonl']);
    expect(config.data.system_prompt).toBe(WETHINK_SYSTEM_PROMPT);
    expect(config.rollout).toMatchObject({ engine: 'generate', n: 5, temperature: 1, val_temperature: 0 });
    expect(config.reward).toMatchObject({
      accuracy_weight: 0.7,
      format_weight: 0.3,
      shuffle_in_group: false,
    });
    expect(config.algorithm).toMatchObject({ loss_type: 'grpo', kl_coef: 0.01, clip_ratio_low: 0.2 });
    expect(config.optim).toMatchObject({ lr: 1e-6, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01 });
    expect(config.trainer).toMatchObject({
      experiment_name: 'digits',
      save_limit: 3,
      gpu: { adapter: 'auto', memory_budget_gb: null },
    });
  });

  it('has the WeThink system prompt to the letter', () => {
    expect(WETHINK_SYSTEM_PROMPT).toBe(
      'You FIRST think about the reasoning process as an internal monologue and then provide the final answer.\n' +
        'The reasoning process MUST BE enclosed within <think> </think> tags. The final answer MUST BE enclosed ' +
        'within <answer> </answer> tags.',
    );
  });

  it('describes every key', () => {
    const sections = new Set(['model', 'data', 'rollout', 'reward', 'algorithm', 'optim', 'sft', 'trainer']);
    const bare = [...knownKeys()].filter(([key, help]) => help === '' && !sections.has(key));
    expect(bare).toEqual([]);
    expect(jsonSchema()['required']).toEqual(['model', 'data']);
  });
});

describe('overrides', () => {
  it('splits at the first "=" and reads values as YAML', () => {
    const config = parseConfig(MINIMAL, 'a.yaml', [
      'data.system_prompt=a=b',
      'optim.lr=1e-4',
      'data.train_files=[x.jsonl, y.jsonl]',
      'reward.verifier_by_category={"a.b": number}',
      'reward.verifier_by_reward.rule=text',
      'data.val_max_rows=null',
      'model.lora.rank=8',
      'model.lora.rank=16',
    ]);
    expect(config.data.system_prompt).toBe('a=b');
    expect(config.optim.lr).toBe(1e-4);
    expect(config.data.train_files).toEqual(['x.jsonl', 'y.jsonl']);
    // Beside the defaults.
    expect(config.reward.verifier_by_category).toMatchObject({ 'a.b': 'number', mc: 'choice', '*': 'rule' });
    expect(config.reward.verifier_by_reward).toMatchObject({ rule: 'text' });
    expect(config.model.lora.rank).toBe(16);
  });

  it('takes keys out with "~"', () => {
    const source = `${MINIMAL}optim: {lr: 0.5}\nrollout: {n: 7}\n`;
    const config = parseConfig(source, 'a.yaml', ['~optim.lr', '~rollout', '~sft.batch_size']);
    expect(config.optim.lr).toBe(1e-6);
    expect(config.rollout.n).toBe(5);
    expect(problemsOf(MINIMAL, ['~data.train_files'])).toMatch(/data\.train_files: required, but missing/);
  });

  it.each([
    ['optim.lr', /optim\.lr: expected key=value/],
    ['=3', /expected key=value/],
    ['~', /expected key=value/],
    ['optim.lrr=1', /optim\.lrr: unknown key; did you mean optim\.lr\?/],
    ['~optim.lrr', /optim\.lrr: unknown key; did you mean optim\.lr\?/],
    ['optim.lr.x=1', /optim\.lr\.x: unknown key; set optim\.lr as a whole/],
    ['optim.betas=[1', /optim\.betas: expected a YAML value/],
    ['__proto__.x=1', /__proto__\.x: unknown key/],
    ['model.__proto__=1', /model\.__proto__: unknown key/],
    ['constructor=1', /constructor: unknown key/],
  ])('refuses %s', (override, message) => {
    expect(problemsOf(MINIMAL, [override])).toMatch(message);
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  });
});

describe('problems', () => {
  it('reports all of them at once, each with key, expected and found', () => {
    const message = problemsOf(
      [
        'data: {train_file: a, shuffle: yes, seed: -1, rollout_batch_size: 6}',
        'rollout: {n: 1, temperature: 0, engine: replay}',
        'algorithm: {loss_type: ppo, kl_coef: "0.1"}',
        'optim: {betas: [0.9]}',
        'reward: {verifier_by_reward: {rule: maths}}',
        'tainer: {}',
      ].join('\n'),
      ['model.lora.rank=1.5'],
    );
    expect(message.split('\n')).toEqual([
      'configs/try.yaml: 13 problems in the configuration',
      '  tainer: unknown key; did you mean trainer?',
      '  model.path: required, but missing. Qwen2.5-VL model: a Hugging Face folder, or owner/name[@revision] on the Hugging Face hub.',
      '  model.lora.rank: expected a whole number, found 1.5',
      '  data.train_files: required, but missing. JSONL file or files to train on.',
      '  data.shuffle: expected true or false, found "yes" (in YAML 1.2 only true and false are booleans)',
      '  data.seed: expected at least 0, found -1',
      '  data.train_file: unknown key; did you mean data.train_files?',
      '  rollout.n: expected at least 2, found 1',
      '  rollout.temperature: expected more than 0, found 0',
      '  reward.verifier_by_reward.rule: expected one of number, count, relaxed, choice, yes_no, math, text, list, ordered_list, box, detection, reward_model, judge, rule, model, found "maths"',
      '  algorithm.loss_type: expected one of grpo, bnpo, dr_grpo, dapo, cispo, sapo, found "ppo"',
      '  algorithm.kl_coef: expected a number, found "0.1" (a text; write it without quotes or "_")',
      '  optim.betas: expected at least 2 entries, found [0.9]',
    ]);
  });

  it.each([
    ['reward: {judge: {base_url: localhost}}', /base_url: expected an http or https address/],
    ['algorithm: {top_entropy_quantile: 0}', /top_entropy_quantile: expected more than 0, found 0/],
    [
      'algorithm: {tau_positive: 1}',
      /tau_positive: unknown key; did you mean algorithm\.sapo_temperature_pos/,
    ],
    ['trainer: {val_freq: 0}', /trainer\.val_freq: expected -1 \(never\) or a number of steps/],
    ['trainer: {project_name: ../up}', /trainer\.project_name: expected letters, digits/],
    ['trainer: {experiment_name: ..}', /trainer\.experiment_name: expected letters, digits/],
    ['trainer: 5', /trainer: expected a mapping/],
    ['optim: {lr: .nan}', /optim\.lr: expected a number, found NaN/],
    ['optim: {lr: .inf}', /optim\.lr: expected a number, found Infinity/],
    ['trainer: {seed: 4294967296}', /trainer\.seed: expected at most 4294967295/],
    ['num_generations: 4', /num_generations: unknown key; did you mean rollout\.n\?/],
    ['optim: {learning_rate: 1}', /optim\.learning_rate: unknown key; did you mean optim\.lr\?/],
    ['lr: 1', /lr: unknown key; did you mean optim\.lr\?/],
    ['optim: {zzzzzzzz: 1}', /zzzzzzzz: unknown key; the keys of optim are strategy, lr, betas, eps/],
    ['optim: {strategy: sgd}', /optim\.strategy: expected one of adamw, adamw_8bit, found "sgd"/],
    ['optim: {lr_warmup_ratio: 0.1}', /unknown key; did you mean optim\.warmup_ratio\?/],
    ['optim: {lr_multipliers: {a: -1}}', /optim\.lr_multipliers\.a: expected at least 0, found -1/],
    [
      'optim: {lr_multipliers: {"[": 1}}',
      /lr_multipliers: a key: expected a regular expression .*, found "\["/,
    ],
    ['"": 1', /: unknown key; the keys of the configuration are model, data/],
  ])('finds what is wrong with %s', (extra, message) => {
    expect(problemsOf(`${MINIMAL}${extra}\n`)).toMatch(message);
  });

  it.each([
    ['model: {path: "a', /valid YAML 1\.2[^]*line 1/],
    ['a: 1\na: 2\n', /valid YAML 1\.2[^]*unique/],
    ['- 1\n', /a mapping with the sections model, data.*\n.*a list/],
    ['just text', /found: +a string/],
    ['model: *nowhere', /aliases can be resolved|valid YAML/],
    ['', /model\.path: required/],
  ])('refuses the file %j', (source, message) => {
    expect(problemsOf(source)).toMatch(message);
  });

  it('checks a pattern', () => {
    expect(problemsOf('model: {path: m, lora: {exclude_modules: "("}}\ndata: {train_files: t}')).toMatch(
      /model\.lora\.exclude_modules: expected a regular expression/,
    );
  });

  it('names the nearest key', () => {
    expect(nearestKey('data.rollout_batchsize')).toBe('data.rollout_batch_size');
    expect(nearestKey('algorithm.beta')).toBe('algorithm.kl_coef');
    expect(nearestKey('optim.beta')).toBe('optim.betas');
    expect(nearestKey('qqqqqqqqqqqq')).toBeUndefined();
  });
});

describe('resolved configuration', () => {
  const overrides = [
    'data.system_prompt="two\\nlines: {odd} # text"',
    'optim.lr=3e-9',
    'model.lora.target_modules=[q_proj, v_proj]',
    'data.val_files=v.jsonl',
    'reward.verifier_by_category={"yes": yes_no, "12": number}',
  ];

  it('gives the same configuration when it is loaded again, whatever its file name', () => {
    const config = parseConfig(MINIMAL, 'first.yaml', overrides);
    const again = parseConfig(resolvedYaml(config), 'second.yaml');
    expect(again).toEqual(config);
    expect(configHash(again)).toBe(configHash(config));
    expect(changedKeys(config, again)).toEqual([]);
  });

  it('hashes the same whatever the order of keys', () => {
    const hash = (map: string): string =>
      configHash(parseConfig(MINIMAL, 'a.yaml', [`reward.verifier_by_category=${map}`]));
    expect(hash('{b: text, a: number}')).toBe(hash('{a: number, b: text}'));
    expect(hash('{b: number, a: text}')).not.toBe(hash('{a: number, b: text}'));
  });

  it('tells another order of lr_multipliers, of which the first match counts', () => {
    const parsed = (map: string) => parseConfig(MINIMAL, 'a.yaml', [`optim.lr_multipliers=${map}`]);
    const config = parsed('{".*lora_B.*": 16, ".*": 0.5}');
    expect(changedKeys(config, parsed('{".*": 0.5, ".*lora_B.*": 16}'))).toEqual(['optim.lr_multipliers']);
    const again = parseConfig(resolvedYaml(config), 'a.yaml');
    expect(Object.keys(again.optim.lr_multipliers)).toEqual(['.*lora_B.*', '.*']);
  });

  it('names the keys that changed', () => {
    const config = parseConfig(MINIMAL, 'a.yaml', overrides);
    const other = parseConfig(MINIMAL, 'a.yaml', [...overrides, 'optim.lr=1', 'trainer.gpu.adapter=system']);
    expect(changedKeys(config, other)).toEqual(['optim.lr', 'trainer.gpu.adapter']);
    expect(configHash(other)).not.toBe(configHash(config));
  });
});

describe('loadConfig', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wethink-config-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('reads a file', async () => {
    const file = join(folder, 'my_run.yaml');
    await writeFile(file, MINIMAL);
    const config = await loadConfig(file, ['rollout.n=3']);
    expect(config.rollout.n).toBe(3);
    expect(config.trainer.experiment_name).toBe('my_run');
  });

  it('says which file cannot be read', async () => {
    await expect(loadConfig(join(folder, 'none.yaml'))).rejects.toThrow(
      /none\.yaml\n.*readable YAML file\n.*ENOENT/,
    );
    await expect(loadConfig(folder)).rejects.toThrow(ConfigError);
  });
});

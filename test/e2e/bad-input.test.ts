/** Bad input ends with exit code 2 and one screen that says where, expected, found, and what to do. */
import { cp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { writeSafetensors } from '../../src/io/safetensors.ts';
import { CONFIG, makeWorld, randomWeights, removeWorld, row, wethink, writeRows } from './world.ts';

/** What fits a terminal with room for the command above it. */
const SCREEN_LINES = 24;
const NORM = 'model.language_model.norm.weight';

let world: string;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => removeWorld(world));

const at = (...path: string[]): string => join(world, ...path);

/** A copy of the model, to be spoilt. */
async function copyModel(name: string): Promise<string> {
  await cp(at('model'), at(name), { recursive: true });
  return `model.path=${name}`;
}

interface Case {
  name: string;
  /** Spoils something and returns the command line. */
  arrange: () => Promise<string[]>;
  /** What the message must hold. */
  says: readonly (string | RegExp)[];
}

const train = (...overrides: string[]): string[] => ['train', 'run.yaml', ...overrides];
const score = (data: string, out = 'scores.jsonl'): string[] =>
  `score --model model --adapter embedded --data ${data} --out ${out}`.split(' ');

const CASES: Case[] = [
  {
    name: 'a missing configuration file',
    arrange: async () => ['train', 'nosuch.yaml'],
    says: ['nosuch.yaml', 'expected: a readable YAML file', 'no such file', 'check the path'],
  },
  {
    name: 'a missing key',
    arrange: async () => {
      await writeFile(at('no-model.yaml'), stringify({ ...CONFIG, model: {} }));
      return ['train', 'no-model.yaml'];
    },
    says: ['no-model.yaml', 'model.path: required, but missing', 'Hugging Face folder'],
  },
  {
    name: 'an unknown key in the file',
    arrange: async () => {
      await writeFile(at('typo.yaml'), stringify({ ...CONFIG, optim: { learning_rate: 1e-4 } }));
      return ['train', 'typo.yaml'];
    },
    says: ['typo.yaml', 'optim.learning_rate: unknown key', 'did you mean optim.lr?'],
  },
  {
    name: 'an unknown key in an override, and a wrong value beside it',
    arrange: async () => train('rollout.temprature=0.9', 'rollout.n=1'),
    says: ['2 problems', 'did you mean rollout.temperature?', 'rollout.n: expected at least 2, found 1'],
  },
  {
    name: 'a missing image',
    arrange: async () => {
      await writeRows(at('lost.jsonl'), [row(), row({ image_path: 'images/lost.png' })]);
      return train('data.train_files=lost.jsonl');
    },
    says: ['lost.jsonl:2', 'lost.png is missing', 'check the path and data.image_dir', 'max_bad_fraction'],
  },
  {
    name: 'a corrupt image',
    arrange: async () => {
      const bytes = await readFile(at('images', 'a.png'));
      await writeFile(at('images', 'half.png'), bytes.subarray(0, bytes.length / 2));
      await writeRows(at('corrupt.jsonl'), [row(), row({ image_path: 'images/half.png' })]);
      return train('data.train_files=corrupt.jsonl');
    },
    says: ['corrupt.jsonl:2', 'half.png', 'expected: an intact', 'found:', 'replace or convert the picture'],
  },
  {
    name: 'a truncated safetensors file',
    arrange: async () => {
      const override = await copyModel('truncated');
      await truncate(at('truncated', 'model.safetensors'), 100_000);
      return train(override);
    },
    says: ['truncated/model.safetensors', 'expected:', 'found:', 'copy or download it again'],
  },
  {
    name: 'a tensor of the wrong shape',
    arrange: async () => {
      const override = await copyModel('misshapen');
      await writeSafetensors(at('misshapen', 'model.safetensors'), await randomWeights({ [NORM]: [64] }));
      return train(override);
    },
    says: ['misshapen', `${NORM} has shape [64], not [128]`, 'must belong to the same model'],
  },
  {
    name: 'a model of another type',
    arrange: async () => {
      const override = await copyModel('other');
      const config = JSON.parse(await readFile(at('other', 'config.json'), 'utf8')) as object;
      await writeFile(at('other', 'config.json'), JSON.stringify({ ...config, model_type: 'llama' }));
      return train(override);
    },
    says: ['other/config.json: model_type', 'expected: qwen2_5_vl', 'found:    "llama"', 'fix:'],
  },
  {
    name: 'a model folder without a tokenizer',
    arrange: async () => {
      const override = await copyModel('mute');
      await rm(at('mute', 'tokenizer.json'));
      return train(override);
    },
    says: ['mute', 'tokenizer.json', 'expected:', 'fix:'],
  },
  {
    name: 'an empty dataset',
    arrange: async () => {
      await writeRows(at('empty.jsonl'), []);
      return train('data.train_files=empty.jsonl');
    },
    says: ['empty.jsonl', 'expected: at least one row', 'found:    no row', 'check data.train_files'],
  },
  {
    name: 'a dataset that is no JSONL',
    arrange: async () => {
      await writeFile(at('list.jsonl'), JSON.stringify([row(), row()], null, 2));
      return train('data.train_files=list.jsonl');
    },
    says: ['list.jsonl:1', 'expected: one JSON value on the line', 'one JSON object per line'],
  },
  {
    name: 'a folder for runs that cannot be written',
    // Below a regular file nobody can write, not even root.
    arrange: async () => train('trainer.save_checkpoint_path=run.yaml/runs'),
    says: ['run.yaml/runs', 'expected: a place that can be written', 'ENOTDIR', 'choose another folder'],
  },
  {
    name: 'a checkpoint to resume from that is not there',
    arrange: async () => [...train(), '--resume'],
    says: ['expected:', 'found:', 'runs/wethink/run'],
  },
  {
    name: 'responses without a response',
    arrange: async () => {
      await writeRows(at('silent.jsonl'), [row({ response: '5' }), row()]);
      return score('silent.jsonl');
    },
    says: ['silent.jsonl:2', 'either "response" or "token_ids"', 'problem, answer, image_path'],
  },
  {
    name: 'token ids of another model',
    arrange: async () => {
      await writeRows(at('alien.jsonl'), [row({ token_ids: [1, 151_645] })]);
      return score('alien.jsonl');
    },
    says: ['alien.jsonl:1: token_ids', 'expected: ids below', 'found:    151645', 'fix:'],
  },
  {
    name: 'a file of scores that cannot be written',
    arrange: async () => {
      await writeRows(at('one.jsonl'), [row({ response: '5' })]);
      return score('one.jsonl', 'run.yaml/scores.jsonl');
    },
    says: ['run.yaml/scores.jsonl', 'expected: a place that can be written', 'ENOTDIR'],
  },
  {
    name: 'responses to reward that are not there',
    arrange: async () => ['reward', '--data', 'nosuch.jsonl', '--out', 'rewards.jsonl'],
    says: ['nosuch.jsonl', 'expected: a readable JSONL file', 'no such file', 'check the path'],
  },
  {
    name: 'a picture to ask about that is not there',
    arrange: async () =>
      'generate --model model --adapter embedded --image nosuch.png --prompt What?'.split(' '),
    says: ['nosuch.png', 'expected: a readable picture file', 'found:    no such file', 'fix:'],
  },
  {
    name: 'an unknown command',
    arrange: async () => ['trian', 'run.yaml'],
    says: ['Did you mean train?', '--help'],
  },
  {
    name: 'an unknown option',
    arrange: async () => [...train(), '--learning-rate', '1'],
    says: ['Unknown argument', 'learning-rate', '--help'],
  },
];

it.each(CASES)('$name', async ({ arrange, says }) => {
  const { status, stdout, stderr } = await wethink(world, ...(await arrange()));
  for (const part of says) expect(stderr).toMatch(part);
  expect(status).toBe(2);
  expect(stderr, 'a stack trace').not.toMatch(/^\s+at /m);
  expect(stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(SCREEN_LINES);
  expect(stdout).toBe('');
});

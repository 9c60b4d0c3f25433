import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type FunctionInput, type LoadedFunction, loadFunctions } from '../../src/reward/functions.ts';
import { ConfigError, DataError } from '../../src/util/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'wethink-functions-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, source: string): string {
  const path = join(folder, name);
  writeFileSync(path, source);
  return path;
}

async function load(...specs: string[]): Promise<LoadedFunction[]> {
  return loadFunctions(specs, ['accuracy', 'format']);
}

function input(response: string, column: unknown = null): FunctionInput {
  const row = {
    id: 'a:1',
    problem: 'p',
    answer: '8',
    category: '',
    reward: '',
    images: [],
    columns: { column },
  };
  return { row, response, responseTokens: 3, extracted: '8', accuracy: 1 };
}

describe('loadFunctions', () => {
  it('calls a function of one sample with the row, its columns, the response and its tokens', async () => {
    const path = file(
      'one.ts',
      `export const score = ({ row, response, responseTokens, extracted, accuracy }: any): number =>
        row.columns.column + response.length + responseTokens + Number(extracted) + accuracy;
      export async function later(): Promise<null> { return null; }`,
    );
    const [score, later] = await load(`${path}:score`, `${path}:later`);
    expect([score!.name, later!.name]).toEqual(['score', 'later']);
    expect(await score!.call([input('abc', 100), input('', 200)])).toEqual([115, 212]);
    expect(await later!.call([input('abc')])).toEqual([null]);
  });

  it('calls a batch function once, with all samples', async () => {
    const path = file(
      'batch.ts',
      `export const rewardType = 'batch';
      let calls = 0;
      export const score = async (inputs: { response: string }[]) => {
        calls += 1;
        return inputs.map(({ response }) => calls * 10 + response.length);
      };`,
    );
    const [score] = await load(path);
    expect(await score!.call([input('a'), input('ab'), input('abc')])).toEqual([11, 12, 13]);
  });

  it('names two functions of one name after their files', async () => {
    const paths = ['a.ts', 'b.ts'].map((name) => file(name, 'export const score = () => 1;'));
    const functions = await load(...paths.map((path) => `${path}:score`));
    expect(functions.map(({ name }) => name)).toEqual(['score', 'b_score']);
    const taken = file('c.ts', 'export const format = () => 1;');
    expect((await load(`${taken}:format`))[0]!.name).toBe('c_format');
    await expect(load(...[0, 0, 0].map(() => paths[0]!))).rejects.toThrow(/each function once/);
  });

  it.each([
    ['no file', `${join(folder, 'missing.ts')}:score`, /no file .*missing\.ts/],
    ['no export', `${file('d.ts', 'export const other = 1;')}:score`, /function score[^]*exports other/],
    ['no function', `${file('e.ts', 'export const score = 1;')}:score`, /function score/],
    ['a broken module', `${file('f.ts', 'throw new Error("no disk");')}:score`, /no disk/],
    ['a syntax error', `${file('g.ts', 'export const = ;')}:score`, /can be loaded/],
  ])('refuses %s', async (_, spec, message) => {
    await expect(load(spec)).rejects.toThrow(ConfigError);
    await expect(load(spec)).rejects.toThrow(message);
  });

  it.each([
    ['a value that is no number', 'export const score = () => "1";', /a:1[^]*finite number[^]*1/],
    ['NaN', 'export const score = () => NaN;', /finite number[^]*NaN/],
    ['an exception', 'export const score = () => { throw new Error("no luck"); };', /no luck/],
    ['a rejection', 'export const score = async () => { throw new Error("no luck"); };', /no luck/],
    [
      'too few values',
      'export const rewardType = "batch"; export const score = () => [];',
      /list of 1[^]*0 values/,
    ],
    ['no list', 'export const rewardType = "batch"; export const score = () => 1;', /list of 1[^]*number/],
  ])('stops on %s', async (name, source, message) => {
    const [score] = await load(file(`${name.replaceAll(' ', '-')}.ts`, source));
    await expect(score!.call([input('a')])).rejects.toThrow(DataError);
    await expect(score!.call([input('a')])).rejects.toThrow(message);
  });
});

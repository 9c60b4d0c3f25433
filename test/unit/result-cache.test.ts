import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cacheKey, ResultCache } from '../../src/io/result-cache.ts';
import { cacheFolder } from '../../src/util/cache-folder.ts';
import { ConfigError } from '../../src/util/errors.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wethink-cache-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A process that keeps `count` values and then says so; it goes on for as long as its input is open. */
function writer(file: string, name: string, count: number) {
  const module = new URL('../../src/io/result-cache.ts', import.meta.url).href;
  const code = `
    import { ResultCache } from '${module}';
    const cache = await ResultCache.open('${file}');
    for (let i = 0; i < ${count}; i++) cache.set('${name}' + i, { name: '${name}', i });
    process.stdout.write('done');
    process.stdin.resume();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return { child, done: once(child.stdout, 'data') };
}

it('keeps values from one opening to the next, in a folder that it makes', async () => {
  const file = join(folder, 'a/b/cache.sqlite');
  const first = await ResultCache.open(file);
  expect(first.get('key')).toBeUndefined();
  first.set('key', { score: 0.5, reason: 'so "so"' });
  first.set('key', { score: 1 });
  first.set('null', null);
  first.close();
  const second = await ResultCache.open(file);
  expect(second.get('key')).toEqual({ score: 1 });
  expect(second.get('null')).toBeNull();
  second.close();
});

it('serves several processes at once, and loses nothing when they are killed', async () => {
  const file = join(folder, 'cache.sqlite');
  const names = ['a', 'b', 'c', 'd'];
  const writers = names.map((name) => writer(file, name, 100));
  await Promise.all(writers.map(({ done }) => done));
  for (const { child } of writers) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const cache = await ResultCache.open(file);
  for (const name of names) for (let i = 0; i < 100; i++) expect(cache.get(name + i)).toEqual({ name, i });
  cache.close();
}, 30_000);

it('names a file that is no database, and leaves it alone', async () => {
  const file = join(folder, 'notes.txt');
  await writeFile(
    file,
    'not a database, but longer than the header of one, which takes a hundred bytes'.repeat(3),
  );
  await expect(ResultCache.open(file)).rejects.toThrow(ConfigError);
  await expect(ResultCache.open(file)).rejects.toThrow(/notes\.txt\n.*\n.*not a database\n.*delete it/);
});

it("leaves another program's database alone", async () => {
  const file = join(folder, 'other.sqlite');
  const other = new DatabaseSync(file);
  other.exec('CREATE TABLE people (name TEXT)');
  await expect(ResultCache.open(file)).rejects.toThrow('a database of another program');
  expect(other.prepare('SELECT name FROM sqlite_schema').all()).toEqual([{ name: 'people' }]);
  expect(other.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'delete' });
  other.close();
});

it('names a place that cannot be written', async () => {
  await writeFile(join(folder, 'file'), '');
  await expect(ResultCache.open(join(folder, 'file/cache.sqlite'))).rejects.toThrow(
    'a folder that cannot be made',
  );
  await expect(ResultCache.open(folder)).rejects.toThrow(ConfigError);
});

it('names the file when it is used after its end', async () => {
  const cache = await ResultCache.open(join(folder, 'cache.sqlite'));
  cache.close();
  cache.close();
  expect(() => cache.set('key', 1)).toThrow('cache.sqlite');
  expect(() => cache.get('key')).toThrow(ConfigError);
});

it('makes keys that depend on the whole value', () => {
  expect(cacheKey({ a: 1 })).toMatch(/^[0-9a-f]{64}$/);
  expect(cacheKey({ a: 1 })).toBe(cacheKey({ a: 1 }));
  expect(cacheKey({ a: 1 })).not.toBe(cacheKey({ a: '1' }));
});

it("lies in the user's cache folder", () => {
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = '/somewhere';
  expect(cacheFolder('judge.sqlite')).toBe('/somewhere/wethink-webgpu/judge.sqlite');
  delete process.env['XDG_CACHE_HOME'];
  expect(cacheFolder('judge.sqlite')).toMatch(/\.cache\/wethink-webgpu\/judge\.sqlite$/);
  if (before !== undefined) process.env['XDG_CACHE_HOME'] = before;
});

/** What the cache can do without the hub, and what several processes do with it at once. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RepositoryCache } from '../../src/io/hub/cache.ts';
import { MODEL, openModelSource } from '../../src/io/hub/model-source.ts';
import { describeProgress } from '../../src/io/hub/progress.ts';
import { parseRepository } from '../../src/io/hub/repository.ts';
import { type HubSettings, hubSettings } from '../../src/io/hub/settings.ts';
import { Hub } from '../../src/io/hub/hub.ts';
import { ConfigError } from '../../src/util/errors.ts';
import { setLogLevel } from '../../src/util/log.ts';
import { HubServer } from './hub-server.ts';
import {
  COMMIT,
  FILES,
  MODEL_ID,
  newCache,
  readTree,
  removeCaches,
  repository,
  SHARDS,
  testSettings,
  WANTED,
} from './hub-world.ts';

const MODEL_SOURCE = fileURLToPath(new URL('../../src/io/hub/model-source.ts', import.meta.url));

setLogLevel('error');

let hub: HubServer;
let settings: HubSettings;
beforeEach(async () => {
  hub = await HubServer.start(repository());
  settings = await testSettings(hub.endpoint);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await removeCaches();
});

const TINY = parseRepository(MODEL_ID, 'models')!;
const fetchModel = async (changes: Partial<HubSettings> = {}): Promise<string> =>
  (await new Hub({ ...settings, ...changes }).snapshot(TINY, MODEL)).folder;

describe('without the network', () => {
  it('serves a model that was fetched, in offline mode without any request', async () => {
    const folder = await fetchModel();
    hub.received.length = 0;
    expect(await fetchModel({ offline: true })).toBe(folder);
    expect(hub.received).toEqual([]);
    await hub.close();
    expect(await fetchModel()).toBe(folder);
  });

  it('says what is missing in offline mode', async () => {
    const nothing = fetchModel({ offline: true });
    await expect(nothing).rejects.toThrow(/HF_HUB_OFFLINE is set[^]*no file of this revision/);
    const folder = await fetchModel();
    await rm(join(folder, SHARDS[1]));
    await rm(join(folder, 'tokenizer.json'));
    await expect(fetchModel({ offline: true })).rejects.toThrow(`no tokenizer.json, no ${SHARDS[1]}`);
  });

  it('says how to go on where nothing was fetched and nobody answers', async () => {
    const { endpoint } = settings;
    await hub.close();
    await expect(fetchModel()).rejects.toThrow(
      new RegExp(`ECONNREFUSED[^]*that ${endpoint} can be reached \\(HF_ENDPOINT\\)`),
    );
  });
});

describe('a snapshot that is half done', () => {
  /** As an interrupted `snapshot_download` leaves it: the branch is noted, some files are linked. */
  async function halfDone(): Promise<string> {
    const cache = new RepositoryCache(settings.cacheFolder, TINY);
    const folder = cache.snapshot(COMMIT);
    await cache.prepare();
    await cache.setRef('main', COMMIT);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'config.json'), FILES['config.json']!.bytes);
    await symlink('../../blobs/not-there', join(folder, SHARDS[0]));
    return folder;
  }

  it('is not taken for a whole one', async () => {
    await halfDone();
    await expect(fetchModel({ offline: true })).rejects.toThrow(/no tokenizer\.json/);
    await hub.close();
    await expect(fetchModel()).rejects.toThrow('ECONNREFUSED');
  });

  it('is completed', async () => {
    const folder = await halfDone();
    expect(await fetchModel()).toBe(folder);
    const tree = await readTree(folder);
    expect(Object.keys(tree).sort()).toEqual(WANTED);
    expect(tree[SHARDS[0]]!.equals(FILES[SHARDS[0]]!.bytes)).toBe(true);
    expect(hub.contentRequests('config.json')).toEqual([]);
  });

  it.each([
    { without: 'weights', pattern: /safetensors/, says: 'model.safetensors or model.safetensors.index.json' },
    { without: 'a tokenizer', pattern: /^tokenizer/, says: 'tokenizer.json, tokenizer_config.json' },
    { without: 'a shard', pattern: /00002-of/, says: SHARDS[1] },
  ])('of a repository without $without is refused', async ({ pattern, says }) => {
    await hub.close();
    const files = Object.fromEntries(Object.entries(FILES).filter(([name]) => !pattern.test(name)));
    hub = await HubServer.start(repository({ files }));
    await expect(fetchModel({ endpoint: hub.endpoint })).rejects.toThrow(`a repository with ${says}\n`);
    // Only the index, which has to be read, tells of shards.
    expect(hub.contentRequests().length > 0).toBe(says === SHARDS[1]);
  });
});

describe('two processes', () => {
  /** A process that opens the tiny model, with its end. */
  function spawnFetch() {
    const code = `const { openModelSource } = await import(process.argv[1]);
      console.log((await openModelSource('${MODEL_ID}')).folder);`;
    const env = { ...process.env, HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: settings.cacheFolder };
    const output = Promise.withResolvers<string>();
    const args = ['--input-type=module', '-e', code, MODEL_SOURCE];
    const child = execFile(process.execPath, args, { env }, (_error, stdout, stderr) =>
      output.resolve(stdout + stderr),
    );
    return { child, output: output.promise };
  }

  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) await pause(20);
  }

  it('fetch a file once', async () => {
    const both = [spawnFetch(), spawnFetch()];
    const folder = join(settings.cacheFolder, 'models--maker--tiny-vl/snapshots', COMMIT);
    for (const { output } of both) expect(await output).toContain(`${folder}\n`);
    expect(
      hub
        .contentRequests()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(WANTED.filter((name) => FILES[name]!.bytes.length > 0));
    expect(hub.received.filter(({ name }) => name === 'listing').length).toBe(2);
  });

  it('take over from each other: the second goes on where the first was killed', async () => {
    hub.fault = ({ name, origin, before }) =>
      name === SHARDS[0] && origin === 'storage' && before === 0 ? { stallAfter: 100_000 } : undefined;
    const first = spawnFetch();
    await until(() => hub.contentRequests(SHARDS[0]).length === 1);
    const second = spawnFetch();
    const waiting = Promise.withResolvers<void>();
    second.child.stderr!.on('data', (text: string) => {
      if (text.includes('Waiting for another process')) waiting.resolve();
    });
    await waiting.promise;
    // What the first was sent has long arrived: the second took as long to start.
    expect(hub.contentRequests(SHARDS[0]).length).toBe(1);
    first.child.kill('SIGKILL');
    expect(await second.output).toContain(COMMIT);
    expect(hub.contentRequests(SHARDS[0]).map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=100000-',
    ]);
    const tree = await readTree(join(settings.cacheFolder, 'models--maker--tiny-vl/snapshots', COMMIT));
    for (const name of WANTED) expect(tree[name]!.equals(FILES[name]!.bytes), name).toBe(true);
  });
});

describe('a model', () => {
  it('is a folder wherever there is one, and a name on the hub where there is none', async () => {
    const parent = await newCache();
    const folder = join(parent, 'maker/tiny-vl');
    await mkdir(folder, { recursive: true });
    expect(await openModelSource(folder)).toEqual({ folder, name: folder, revision: null });
    vi.stubEnv('HF_ENDPOINT', `${hub.endpoint}/`);
    vi.stubEnv('HF_HUB_CACHE', settings.cacheFolder);
    const planned = await openModelSource(MODEL_ID, { weights: false });
    expect(await readdir(planned.folder)).toEqual(WANTED.filter((name) => !name.includes('.safetensors')));
    const source = await openModelSource(`${MODEL_ID}@main`);
    // Whoever opens it later opens the same commit.
    expect(hub.received.filter(({ name }) => name === 'listing').length).toBe(1);
    expect(source).toMatchObject({ name: MODEL_ID, revision: COMMIT });
    expect(await readdir(source.folder)).toEqual(WANTED);
    await openModelSource(`${MODEL_ID}@main`, { revision: COMMIT });
    expect(hub.received.at(-1)!.path).toContain(`/revision/${COMMIT}`);
  });

  it.each(['nothing', './a/b', 'a/b/c', '/nowhere/at/all', 'a/b@../../c', 'a--b/c', 'a/b.git', 'a/', '-a/b'])(
    'is not %s',
    async (name) => {
      const error: unknown = await openModelSource(name).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ConfigError);
      expect(String(error)).toContain('no such folder');
      expect(hub.received).toEqual([]);
    },
  );
});

describe('settings', () => {
  const home = homedir();
  const cacheOf = (environment: Record<string, string>) => hubSettings(environment).cacheFolder;

  it('find the cache where Python has it', () => {
    expect(cacheOf({})).toBe(join(home, '.cache/huggingface/hub'));
    expect(cacheOf({ XDG_CACHE_HOME: '/x' })).toBe('/x/huggingface/hub');
    expect(cacheOf({ XDG_CACHE_HOME: '/x', HF_HOME: '~/hf' })).toBe(join(home, 'hf/hub'));
    expect(cacheOf({ HF_HOME: '/h', HF_HUB_CACHE: '${DISK}/$NAME', DISK: '/d', NAME: 'n' })).toBe('/d/n');
    expect(cacheOf({ HUGGINGFACE_HUB_CACHE: '/old' })).toBe('/old');
  });

  it('take the token from the environment, else from the file', async () => {
    const file = join(settings.cacheFolder, 'token');
    await writeFile(file, 'hf_from_the_file\n');
    const HF_HOME = settings.cacheFolder;
    expect(hubSettings({ HF_HOME }).token).toBe('hf_from_the_file');
    expect(hubSettings({ HF_TOKEN_PATH: file }).token).toBe('hf_from_the_file');
    expect(hubSettings({ HF_HOME, HF_TOKEN: ' hf_a\n' }).token).toBe('hf_a');
    expect(hubSettings({ HF_HOME, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }).token).toBeNull();
    expect(hubSettings({ HF_HOME: '/nowhere' }).token).toBeNull();
    expect(() => hubSettings({ HF_TOKEN: 'two words' })).toThrow(/HF_TOKEN[^]*not shown/);
  });

  it('read switches as Python does, and refuse what is no address', () => {
    expect(hubSettings({ HF_HUB_OFFLINE: 'yes' }).offline).toBe(true);
    expect(hubSettings({ TRANSFORMERS_OFFLINE: '1' }).offline).toBe(true);
    expect(hubSettings({ HF_HUB_OFFLINE: '0', TRANSFORMERS_OFFLINE: '1' }).offline).toBe(false);
    expect(() => hubSettings({ HF_ENDPOINT: 'hub.local' })).toThrow(/HF_ENDPOINT[^]*no address/);
    expect(() => hubSettings({ HF_ENDPOINT: 'https://me:pw@hub.local' })).toThrow(
      /found: {4}one with https:\/\/hub/,
    );
  });
});

it('asks for free space before it begins', async () => {
  const cache = new RepositoryCache(settings.cacheFolder, TINY);
  await cache.prepare();
  await cache.requireSpace(1);
  await expect(cache.requireSpace(1e18)).rejects.toThrow(/1000000000\.00 GB of free space[^]*HF_HUB_CACHE/);
});

it('shows files, bytes, speed and the time that is left', () => {
  const state = { files: 12, filesDone: 3, bytes: 7.5e9, bytesDone: 2.5e9, bytesCome: 2e9, seconds: 25 };
  expect(describeProgress(state)).toBe('3/12 files  2.50/7.50 GB  80.0 MB/s  1 min 3 s left');
  expect(describeProgress({ ...state, bytesCome: 0, seconds: 0 })).toBe('3/12 files  2.50/7.50 GB');
  expect(describeProgress({ ...state, bytes: 3e6, bytesDone: 3e6 })).toBe(
    '3/12 files  3.0/3.0 MB  80.0 MB/s',
  );
});

/** Downloads from a hub that fails in many ways, over real connections. */
import { statSync } from 'node:fs';
import { mkdir, readFile, readdir, readlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { MODEL } from '../../src/io/hub/model-source.ts';
import { parseRepository } from '../../src/io/hub/repository.ts';
import type { HubSettings } from '../../src/io/hub/settings.ts';
import { Hub } from '../../src/io/hub/hub.ts';
import { setLogLevel } from '../../src/util/log.ts';
import { RandomStream } from '../../src/util/random.ts';
import { checksum, type Content, type Fault, HubServer, type TestRepository } from './hub-server.ts';
import {
  COMMIT,
  FILES,
  large,
  MODEL_ID,
  readTree,
  removeCaches,
  repository,
  SHARD_BYTES,
  SHARDS,
  testSettings,
  WANTED,
} from './hub-world.ts';

const TOKEN = 'hf_test_token_of_nobody';
const CACHE_NAME = 'models--maker--tiny-vl';
const MIB = 1 << 20;

// Progress is tested by itself.
setLogLevel('warn');

let hub: HubServer;
afterEach(async () => {
  await hub.close();
  await removeCaches();
});

/** A hub with the tiny model, and settings with an empty cache. */
async function start(
  changes: Partial<TestRepository> = {},
  token: string | null = null,
): Promise<HubSettings> {
  hub = await HubServer.start(repository(changes));
  return testSettings(hub.endpoint, { token });
}

const fetchModel = async (settings: HubSettings, name = MODEL_ID): Promise<string> =>
  (await new Hub(settings).snapshot(parseRepository(name, 'models')!, MODEL)).folder;

const blobOf = ({ cacheFolder }: HubSettings, content: Content): string =>
  join(cacheFolder, CACHE_NAME, 'blobs', checksum(content));

/** The tiny model is there, whole and right, and nothing else. */
async function expectWhole(folder: string, files = FILES): Promise<void> {
  const tree = await readTree(folder);
  expect(Object.keys(tree).sort()).toEqual(WANTED);
  for (const name of WANTED) expect(tree[name]!.equals(files[name]!.bytes), name).toBe(true);
  const blobs = await readdir(join(folder, '../../blobs'));
  expect(blobs.filter((name) => name.endsWith('.incomplete'))).toEqual([]);
}

/** Fails requests for one file's content, one after the other, as the list says. */
function failing(name: string, faults: readonly Fault[]): void {
  hub.fault = (one) => (one.name === name && one.origin === 'storage' ? faults[one.before] : undefined);
}

describe('a download', () => {
  it('lays the cache out as Python does, with what a model folder needs', async () => {
    const settings = await start();
    const folder = await fetchModel(settings);
    expect(folder).toBe(join(settings.cacheFolder, CACHE_NAME, 'snapshots', COMMIT));
    await expectWhole(folder);
    const ref = await readFile(join(settings.cacheFolder, CACHE_NAME, 'refs/main'), 'utf8');
    expect(ref).toBe(COMMIT);
    for (const name of WANTED) {
      expect(await readlink(join(folder, name))).toBe(`../../blobs/${checksum(FILES[name]!)}`);
    }
    // The redirects of large files were followed, each once.
    expect(hub.contentRequests(SHARDS[0]).map(({ origin }) => origin)).toEqual(['storage']);
  });

  it('is made once: the next start asks for the commit and nothing else', async () => {
    const settings = await start();
    await fetchModel(settings);
    hub.received.length = 0;
    await expectWhole(await fetchModel(settings));
    expect(hub.received.map(({ name }) => name)).toEqual(['listing']);
  });

  it('fetches what another commit changed, and keeps both', async () => {
    const settings = await start();
    const first = await fetchModel(settings);
    await hub.close();
    const files = { ...FILES, [SHARDS[1]]: large(1000, 'another') };
    const commit = COMMIT.replaceAll('0', 'f');
    hub = await HubServer.start(repository({ commit, files }));
    const second = await fetchModel({ ...settings, endpoint: hub.endpoint });
    expect(hub.contentRequests().map(({ name }) => name)).toEqual([SHARDS[1]]);
    await expectWhole(first);
    await expectWhole(second, files);
    expect(await readFile(join(second, '../../refs/main'), 'utf8')).toBe(commit);
  });

  it('takes a revision after @, also one with slashes', async () => {
    const settings = await start();
    await expectWhole(await fetchModel(settings, `${MODEL_ID}@refs/pr/1`));
    expect(hub.received[0]!.path).toBe(`/api/models/${MODEL_ID}/revision/refs%2Fpr%2F1`);
    expect(await readFile(join(settings.cacheFolder, CACHE_NAME, 'refs/refs/pr/1'), 'utf8')).toBe(COMMIT);
  });

  it('reads data sets by the same protocol, in folders as they lie there', async () => {
    const settings = await start({ path: 'datasets/maker/rows' });
    const everything = { wants: () => true, missing: () => Promise.resolve([]) };
    const { folder } = await new Hub(settings).snapshot(
      parseRepository('maker/rows', 'datasets')!,
      everything,
    );
    expect(folder).toBe(join(settings.cacheFolder, 'datasets--maker--rows/snapshots', COMMIT));
    expect((await readTree(folder))['figures/a.png']!.equals(FILES['figures/a.png']!.bytes)).toBe(true);
  });
});

describe('a token', () => {
  it('opens a gated repository, and reaches the endpoint only', async () => {
    const settings = await start({ token: TOKEN, gated: true }, TOKEN);
    await expectWhole(await fetchModel(settings));
    const sent = (origin: string) =>
      hub.received.filter((one) => one.origin === origin).map(({ headers }) => headers.authorization);
    expect(new Set(sent('hub'))).toEqual(new Set([`Bearer ${TOKEN}`]));
    expect(sent('storage').length).toBe(3);
    expect(new Set(sent('storage'))).toEqual(new Set([undefined]));
    for (const [name, bytes] of Object.entries(await readTree(settings.cacheFolder))) {
      expect(bytes.includes(TOKEN), name).toBe(false);
    }
  });

  it('is named where it is missing or not enough, and not shown', async () => {
    const settings = await start({ token: TOKEN, gated: true });
    const page = `${settings.endpoint}/${MODEL_ID}`;
    await expect(fetchModel(settings)).rejects.toThrow(`accept its licence at ${page} and set HF_TOKEN`);
    const wrong = { ...settings, token: 'hf_another_token' };
    const error: unknown = await fetchModel(wrong).catch((reason: unknown) => reason);
    expect(String(error)).toContain(`accept its licence at ${page} with the account of the token`);
    expect(String(error)).not.toContain(wrong.token);
    // Neither is tried again.
    expect(
      hub.received.filter(({ method, name }) => method === 'HEAD' && name === 'config.json').length,
    ).toBe(2);
  });

  it('follows a repository to its new name, and no redirect for ever', async () => {
    const settings = await start({ token: TOKEN, gated: true }, TOKEN);
    hub.fault = ({ path }) =>
      path.includes('old/name')
        ? { status: 307, headers: { location: path.replace('old/name', MODEL_ID) } }
        : undefined;
    const folder = await fetchModel(settings, 'old/name');
    expect(Object.keys(await readTree(folder)).sort()).toEqual(WANTED);
    hub.fault = () => ({ status: 302, headers: { location: 'data:,secret' } });
    await expect(fetchModel(await testSettings(hub.endpoint))).rejects.toThrow('one to something else');
    hub.fault = ({ path }) => ({ status: 302, headers: { location: path } });
    hub.received.length = 0;
    await expect(fetchModel({ ...settings, cacheFolder: '/nowhere' })).rejects.toThrow(
      'more than 5 redirects',
    );
    expect(hub.received.length).toBe(6);
  });

  it('tells an unknown name from an unknown revision', async () => {
    const settings = await start();
    await expect(fetchModel(settings, 'maker/tiny-lv')).rejects.toThrow(
      /a repository maker\/tiny-lv that can be read[^]*correct the name[^]*a folder maker\/tiny-lv is not here/,
    );
    await expect(fetchModel(settings, `${MODEL_ID}@mian`)).rejects.toThrow(/a branch, tag or commit mian/);
    expect(hub.received.length).toBe(2);
  });
});

describe('a connection that fails', () => {
  it('goes on at the very byte where it was cut, several times in a file', async () => {
    const settings = await start();
    const random = new RandomStream(7, 'cuts');
    const cuts = Array.from({ length: 4 }, () => ({ cutAfter: 1 + random.integer(SHARD_BYTES / 5) }));
    const part = `${blobOf(settings, FILES[SHARDS[0]]!)}.incomplete`;
    const kept: number[] = [];
    hub.fault = ({ name, origin, before }) => {
      if (origin !== 'storage' || name !== SHARDS[0]) return undefined;
      kept.push(statSync(part).size);
      return cuts[before];
    };
    await expectWhole(await fetchModel(settings));
    const asked = hub.contentRequests(SHARDS[0]).map(({ headers }) => headers.range);
    expect(asked).toEqual(kept.map((size) => (size === 0 ? undefined : `bytes=${size}-`)));
    expect(asked.length).toBe(cuts.length + 1);
    expect(kept.at(-1)).toBeGreaterThan(0);
  });

  it('may fail any number of times as long as much comes in between', async () => {
    const shard = large(10 * MIB, 'long');
    const settings = await start({ files: { ...FILES, [SHARDS[0]]: shard } });
    failing(
      SHARDS[0],
      Array.from({ length: 6 }, () => ({ cutAfter: 1.4 * MIB })),
    );
    await expectWhole(await fetchModel(settings), { ...FILES, [SHARDS[0]]: shard });
    expect(hub.contentRequests(SHARDS[0]).length).toBe(7);
  });

  it('starts again where a server ignores the range', async () => {
    const settings = await start();
    failing(SHARDS[0], [{ cutAfter: 100_000 }, { ignoreRange: true }]);
    await expectWhole(await fetchModel(settings));
    expect(hub.contentRequests(SHARDS[0]).length).toBe(2);
  });

  it('does not wait for ever for a server that says nothing', async () => {
    const settings = { ...(await start()), stallMs: 200 };
    failing(SHARDS[1], [{ stallAfter: 0 }, { stallAfter: 150_000 }]);
    await expectWhole(await fetchModel(settings));
    const [, , last] = hub.contentRequests(SHARDS[1]);
    expect(last!.headers.range).toBe('bytes=150000-');
  });

  it('tries again after 500 and 429, at every kind of request, and waits as it is asked', async () => {
    const settings = await start();
    const times: number[] = [];
    hub.fault = ({ method, before, name }) => {
      if (name === 'config.json' && method === 'HEAD') {
        times.push(performance.now());
        return before === 0 ? { status: 429, headers: { 'retry-after': '0.3' } } : undefined;
      }
      return before < 2 ? { status: before === 0 ? 500 : 503 } : undefined;
    };
    await expectWhole(await fetchModel(settings));
    expect(times[1]! - times[0]!).toBeGreaterThan(295);
  });

  it('gives up after six tries, naming the host and not the signed address, and keeps what came', async () => {
    const settings = await start();
    failing(SHARDS[0], [{ cutAfter: 100_000 }, ...Array.from({ length: 9 }, () => ({ status: 502 }))]);
    const error: unknown = await fetchModel(settings).catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/model-00001-of-00002[^]*HTTP 502 from 127\.0\.0\.1/);
    expect(String(error)).not.toContain('signature');
    expect(hub.contentRequests(SHARDS[0]).length).toBe(6);
    expect(statSync(`${blobOf(settings, FILES[SHARDS[0]]!)}.incomplete`).size).toBeGreaterThan(0);
    await expect(readdir(join(settings.cacheFolder, CACHE_NAME, 'snapshots'))).rejects.toThrow('ENOENT');
    hub.fault = () => undefined;
    await expectWhole(await fetchModel(settings));
    expect(hub.contentRequests(SHARDS[0]).at(-1)!.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
  });
});

describe('wrong content', () => {
  it('is fetched once more', async () => {
    const settings = await start();
    failing(SHARDS[0], [{ wrongByte: true }]);
    await expectWhole(await fetchModel(settings));
    expect(hub.contentRequests(SHARDS[0]).map(({ headers }) => headers.range)).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('is refused when it comes twice, and leaves nothing that looks whole', async () => {
    const settings = await start();
    failing(SHARDS[0], [{ wrongByte: true }, { wrongByte: true }]);
    await expect(fetchModel(settings)).rejects.toThrow(
      /model-00001-of-00002[^]*expected: content with the checksum \w{64}[^]*found: {4}\w{64}, twice/,
    );
    expect(await readdir(dirname(blobOf(settings, FILES[SHARDS[0]]!)))).not.toContain(
      checksum(FILES[SHARDS[0]]!),
    );
  });

  it.each([SHARDS[0], 'config.json'])('is seen in what an earlier process left of %s', async (name) => {
    const settings = await start();
    const { bytes } = FILES[name]!;
    const part = `${blobOf(settings, FILES[name]!)}.incomplete`;
    await mkdir(dirname(part), { recursive: true });
    await writeFile(part, bytes.subarray(0, 10));
    await expectWhole(await fetchModel(settings));
    expect(hub.contentRequests(name).map(({ headers }) => headers.range)).toEqual(['bytes=10-']);

    const again = await testSettings(hub.endpoint);
    const spoilt = `${blobOf(again, FILES[name]!)}.incomplete`;
    await mkdir(dirname(spoilt), { recursive: true });
    await writeFile(spoilt, Buffer.alloc(10));
    hub.received.length = 0;
    await expectWhole(await fetchModel(again));
    expect(hub.contentRequests(name).map(({ headers }) => headers.range)).toEqual(['bytes=10-', undefined]);
  });

  it('of the wrong length is seen before it is linked', async () => {
    const settings = await start();
    const blob = blobOf(settings, FILES[SHARDS[0]]!);
    await mkdir(dirname(blob), { recursive: true });
    await writeFile(blob, 'short');
    await writeFile(`${blobOf(settings, FILES[SHARDS[1]]!)}.incomplete`, Buffer.alloc(SHARD_BYTES + 1));
    await expectWhole(await fetchModel(settings));
  });
});

/**
 * One cache for two programs: what this one fetches Python's huggingface_hub finds, and the other way round.
 * WETHINK_SERVICES is the folder of the packages.
 */
import { execFile } from 'node:child_process';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Hub, type Snapshot } from '../../src/io/hub/hub.ts';
import { MODEL } from '../../src/io/hub/model-source.ts';
import { parseRepository } from '../../src/io/hub/repository.ts';
import { hubSettings } from '../../src/io/hub/settings.ts';
import { HubServer } from '../unit/hub-server.ts';
import { COMMIT, MODEL_ID, newCache, removeCaches, repository, WANTED } from '../unit/hub-world.ts';

const CACHE_NAME = 'models--maker--tiny-vl';

let hub: HubServer;
let cache: string;
beforeEach(async () => {
  hub = await HubServer.start(repository());
  cache = await useNewCache();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await removeCaches();
});

/** An empty cache that this process and Python use from now on. */
async function useNewCache(): Promise<string> {
  const folder = await newCache();
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_HOME', folder);
  vi.stubEnv('HF_HUB_OFFLINE', '0');
  return folder;
}

/** As a new process would. */
function fetchModel(): Promise<Snapshot> {
  return new Hub(hubSettings()).snapshot(parseRepository(MODEL_ID, 'models')!, MODEL);
}

/** Runs Python with `snapshot_download` and the model's name at hand; what it prints is JSON. */
async function python(code: string): Promise<unknown> {
  const services = process.env['WETHINK_SERVICES'];
  if (services === undefined) throw new Error('WETHINK_SERVICES is not set: run node scripts/services.ts');
  const header = `import json; from huggingface_hub import *; model = '${MODEL_ID}'; wanted = ${JSON.stringify(WANTED)}`;
  const env = { ...process.env, PYTHONPATH: join(services, 'hub'), HF_HUB_DISABLE_PROGRESS_BARS: '1' };
  const { stdout } = await promisify(execFile)('python3', ['-c', `${header}\n${code}`], { env });
  return JSON.parse(stdout);
}

/** Every file and link of the model's part of the cache, as far as a model folder needs it. */
async function layout(folder: string): Promise<Record<string, string>> {
  const root = join(folder, 'hub', CACHE_NAME);
  const entries = await readdir(root, { recursive: true });
  const result: Record<string, string> = {};
  for (const name of entries.filter((entry) => /^(blobs|refs|snapshots)/.test(entry)).sort()) {
    const found = await lstat(join(root, name));
    if (found.isSymbolicLink()) result[name] = await readlink(join(root, name));
    else if (found.isFile()) result[name] = await readFile(join(root, name), 'base64');
  }
  return result;
}

describe('a cache', () => {
  it('is found by Python, which fetches nothing of it again', async () => {
    const { folder } = await fetchModel();
    expect(await python('print(json.dumps(snapshot_download(model, local_files_only=True)))')).toBe(folder);
    const file = await python(
      "print(json.dumps(hf_hub_download(model, 'config.json', local_files_only=True)))",
    );
    expect(file).toBe(join(folder, 'config.json'));
    const scan = `cache = scan_cache_dir()
repo = next(iter(cache.repos))
print(json.dumps([repo.repo_id, repo.nb_files, sorted(repo.refs), [str(one) for one in cache.warnings]]))`;
    expect(await python(scan)).toEqual([MODEL_ID, WANTED.length, ['main'], []]);
    hub.received.length = 0;
    expect(await python('print(json.dumps(snapshot_download(model, allow_patterns=wanted)))')).toBe(folder);
    expect(hub.contentRequests()).toEqual([]);
  });

  it('of Python is taken as it is, also without the hub', async () => {
    const folder = await python('print(json.dumps(snapshot_download(model)))');
    hub.received.length = 0;
    expect((await fetchModel()).folder).toBe(folder);
    expect(hub.received.map(({ name }) => name)).toEqual(['listing']);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect(await fetchModel()).toEqual({ folder, commit: COMMIT });
  });

  it('has the same files, links and names whoever fetches', async () => {
    await fetchModel();
    const ours = await layout(cache);
    const other = await useNewCache();
    await python('print(json.dumps(snapshot_download(model, allow_patterns=wanted)))');
    expect(ours).toEqual(await layout(other));
    expect(Object.keys(ours).length).toBe(2 * WANTED.length + 1);
  });
});

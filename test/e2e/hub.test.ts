/** Models by their names on the hub, served by a small hub on this machine. */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeSafetensors } from '../../src/io/safetensors.ts';
import { type Content, HubServer } from '../unit/hub-server.ts';
import { COMMIT } from '../unit/hub-world.ts';
import { makeWorld, randomWeights, readRows, removeWorld, row, wethink, writeRows } from './world.ts';

const NAME = 'maker/mini';
const NEXT_COMMIT = 'f'.repeat(40);

let world: string;
let hub: HubServer;
beforeAll(async () => {
  world = await makeWorld();
  await writeRows(join(world, 'responses.jsonl'), [row({ response: '5' })]);
  await serve({ [COMMIT]: 'model' });
  process.env['HF_HUB_CACHE'] = join(world, 'cache');
});
afterAll(async () => {
  await hub.close();
  await removeWorld(world);
});

/** Starts a hub where the commits of the model are these folders; the first is the main branch. */
async function serve(folders: Readonly<Record<string, string>>): Promise<void> {
  const repositories = Object.entries(folders).map(async ([commit, folder]) => {
    const names = await readdir(join(world, folder));
    const contents = names.map(async (name): Promise<[string, Content]> => {
      const bytes = await readFile(join(world, folder, name));
      return [name, { bytes, large: /safetensors$|^tokenizer\.json$/.test(name) }];
    });
    return { path: `models/${NAME}`, commit, files: Object.fromEntries(await Promise.all(contents)) };
  });
  hub = await HubServer.start(...(await Promise.all(repositories)));
  process.env['HF_ENDPOINT'] = hub.endpoint;
}

async function run(...args: string[]): Promise<string> {
  const { status, stderr } = await wethink(world, ...args);
  expect(stderr).not.toMatch(/Error/);
  expect(status).toBe(0);
  return stderr;
}

async function score(model: string): Promise<{ stderr: string; rows: unknown[] }> {
  const args = `score --model ${model} --adapter embedded --data responses.jsonl --out scores.jsonl`;
  const stderr = await run(...args.split(' '));
  return { stderr, rows: await readRows(join(world, 'scores.jsonl')) };
}

it('scores with a model by its name as with its folder, and without the hub from then on', async () => {
  const byName = await score(NAME);
  expect(byName.rows).toEqual((await score('model')).rows);
  expect(byName.stderr).toMatch(/^maker\/mini: 7\/7 files {2}(\d+\.\d)\/\1 MB/m);
  const requests = hub.received.length;
  process.env['HF_HUB_OFFLINE'] = '1';
  try {
    expect((await score(`${NAME}@main`)).rows).toEqual(byName.rows);
  } finally {
    delete process.env['HF_HUB_OFFLINE'];
  }
  expect(hub.received.length).toBe(requests);
});

it('resumes from the commit that the run began with, and names it in the adapter', async () => {
  const settings = [`model.path=${NAME}`, 'model.lora.rank=4', 'trainer.save_freq=1', 'optim.lr=1e-3'];
  const steps = (count: number) => ['train', 'run.yaml', ...settings, `trainer.max_steps=${count}`];
  expect(await run(...steps(1))).toContain(`model     ${NAME}@${COMMIT}`);
  const folder = join(world, 'runs/wethink/run');
  const adapter = JSON.parse(
    await readFile(join(folder, 'step_000001/adapter_config.json'), 'utf8'),
  ) as object;
  expect(adapter).toMatchObject({ base_model_name_or_path: NAME, revision: COMMIT });

  // The main branch moves to other weights.
  await cp(join(world, 'model'), join(world, 'next'), { recursive: true });
  const weights = (await randomWeights()).map((one) => ({
    ...one,
    data: (one.data as Float32Array).map((x) => x / 2),
  }));
  await writeSafetensors(join(world, 'next', 'model.safetensors'), weights);
  await writeFile(join(world, 'next', 'vocab.json'), '{}');
  await hub.close();
  await serve({ [NEXT_COMMIT]: 'next', [COMMIT]: 'model' });
  expect(await run(...steps(2), '--resume')).toContain(`model     ${NAME}@${COMMIT}`);
  await run(
    'export',
    'hf',
    '--model',
    join(folder, 'step_000002'),
    '--out',
    'exported',
    '--adapter',
    'embedded',
  );
  expect(await readdir(join(world, 'exported'))).not.toContain('vocab.json');
  expect(hub.contentRequests()).toEqual([]);
  await score(NAME);
  expect(
    hub
      .contentRequests()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['model.safetensors', 'vocab.json']);
});

it('tells what to do about a name that nobody knows', async () => {
  const { status, stderr } = await wethink(world, 'generate', '--model', 'maker/mni', '--prompt', 'What?');
  expect(status).toBe(2);
  expect(stderr).toMatch(/maker\/mni[^]*HTTP 401[^]*correct the name[^]*HF_TOKEN[^]*a folder maker\/mni/);
});

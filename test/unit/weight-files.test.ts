/** A model folder that is not whole is refused by the name of what is wrong. */
import { cp, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SafetensorsFile, writeSafetensors, type TensorToWrite } from '../../src/io/safetensors.ts';
import { loadArchitecture } from '../../src/model/config.ts';
import { parameterTable } from '../../src/model/parameter-table.ts';
import { WeightFiles } from '../../src/model/weight-files.ts';
import { CheckpointError } from '../../src/util/errors.ts';

const INDEX = 'model.safetensors.index.json';
const LAST = 'model-00002-of-00002.safetensors';
/** In the last shard, under its stored name and ours. */
const [STORED, NAME] = ['visual.blocks.0.attn.qkv.bias', 'model.visual.blocks.0.attn.qkv.bias'];

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wethink-weight-files-'));
  await cp('test/golden/models/untied_2to1', folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

async function load(): Promise<void> {
  await using files = await WeightFiles.open(folder);
  files.check(parameterTable(await loadArchitecture(folder)));
}

/** Writes the last shard anew with what `change` makes of its tensors. */
async function changeShard(change: (tensors: Map<string, TensorToWrite>) => void): Promise<void> {
  const path = join(folder, LAST);
  const tensors = new Map<string, TensorToWrite>();
  {
    await using file = await SafetensorsFile.open(path);
    for (const [name, { dtype, shape }] of file.tensors) {
      tensors.set(name, { name, dtype, shape, data: await file.read(name) });
    }
  }
  change(tensors);
  await writeSafetensors(path, tensors.values());
}

async function expectRefused(message: RegExp): Promise<void> {
  await expect(load()).rejects.toThrow(CheckpointError);
  await expect(load()).rejects.toThrow(message);
}

it('takes the whole folder', async () => {
  await expect(load()).resolves.toBeUndefined();
});

describe('a tensor', () => {
  const escaped = NAME.replaceAll('.', '\\.');

  it('that is missing', async () => {
    await changeShard((tensors) => tensors.delete(STORED));
    await expectRefused(new RegExp(`${escaped} is missing`));
  });

  it('that is too many', async () => {
    await changeShard((tensors) =>
      tensors.set('x', { name: 'model.visual.extra', dtype: 'F32', shape: [1], data: new Float32Array(1) }),
    );
    await expectRefused(/model\.visual\.extra is not a tensor of this model/);
  });

  it('of another shape', async () => {
    await changeShard((tensors) => {
      const tensor = tensors.get(STORED)!;
      tensors.set(STORED, { ...tensor, shape: [2, tensor.shape[0]! / 2] });
    });
    await expectRefused(new RegExp(`${escaped} has shape \\[2, 60\\], not \\[120\\]`));
  });

  it('of another dtype', async () => {
    await changeShard((tensors) => tensors.set(STORED, { ...tensors.get(STORED)!, dtype: 'I32' }));
    await expectRefused(new RegExp(`${escaped} has dtype I32, not F32, BF16 or F16`));
  });

  it('that two shards hold, under either naming', async () => {
    await changeShard((tensors) =>
      tensors.set('again', {
        name: 'model.language_model.embed_tokens.weight',
        dtype: 'F32',
        shape: [1],
        data: new Float32Array(1),
      }),
    );
    await expectRefused(/one tensor model\.language_model\.embed_tokens\.weight[^]*00001-of[^]*00002-of/);
  });
});

describe('a shard', () => {
  it('that is missing', async () => {
    await rm(join(folder, LAST));
    await expectRefused(new RegExp(`${LAST}[^]*ENOENT`));
  });

  it('that is truncated, by the tensor that is cut', async () => {
    await using file = await SafetensorsFile.open(join(folder, LAST));
    const [last] = [...file.tensors].toSorted(([, a], [, b]) => b.byteOffset - a.byteOffset);
    const { size } = await stat(join(folder, LAST));
    await truncate(join(folder, LAST), size - 2);
    await expectRefused(new RegExp(`${LAST}[^]*tensor ${last![0].replaceAll('.', '\\.')}`));
  });
});

describe('an index', () => {
  const rewrite = async (change: (map: Record<string, unknown>) => unknown): Promise<void> => {
    const json = JSON.parse(await readFile(join(folder, INDEX), 'utf8')) as {
      weight_map: Record<string, unknown>;
    };
    await writeFile(join(folder, INDEX), JSON.stringify({ ...json, weight_map: change(json.weight_map) }));
  };

  it('that names a file that is not there', async () => {
    await rewrite((map) => ({ ...map, more: 'model-00003-of-00003.safetensors' }));
    await expectRefused(/model-00003-of-00003\.safetensors[^]*ENOENT/);
  });

  it('that names a shard for no tensor: what is in it is missing', async () => {
    await rewrite((map) => Object.fromEntries(Object.entries(map).filter(([, file]) => file !== LAST)));
    await expectRefused(/is missing; [^]*and \d+ more/);
  });

  it.each([undefined, 7, [['a', 'b']], { a: 1 }])('whose weight_map is %j', async (value) => {
    await rewrite(() => value);
    await expectRefused(/index\.json[^]*a weight_map from tensors to files/);
  });
});

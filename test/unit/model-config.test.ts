import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { loadArchitecture, parseArchitecture } from '../../src/model/config.ts';
import { CheckpointError } from '../../src/util/errors.ts';

const MODELS = 'test/golden/models';
type Json = Record<string, unknown>;

const readConfig = async (name: string): Promise<Json> =>
  JSON.parse(await readFile(`${MODELS}/${name}/config.json`, 'utf8')) as Json;

const nested = await readConfig('tied_4to1');
const flat = await readConfig('untied_2to1');
/** A part of a configuration, to be changed. */
const part = (json: Json, key: string): Json => json[key] as Json;

describe('parseArchitecture', () => {
  it('reads the nested schema', () => {
    expect(parseArchitecture(nested, 'here')).toEqual({
      imageToken: 299,
      initializerRange: 0.02,
      storedFormat: 'f32',
      text: {
        layers: 2,
        hidden: 64,
        heads: 4,
        kvHeads: 1,
        headDim: 16,
        intermediate: 96,
        vocab: 320,
        normEps: 1e-6,
        ropeTheta: 10_000,
        mropeSection: [2, 3, 3],
        tiedHead: true,
      },
      vision: {
        depth: 3,
        hidden: 32,
        heads: 2,
        headDim: 16,
        intermediate: 48,
        outHidden: 64,
        patchValues: 1176,
        patchSize: 14,
        temporalPatchSize: 2,
        channels: 3,
        mergeSize: 2,
        windowUnits: 2,
        fullAttentionLayers: new Set([1]),
      },
    });
  });

  it('reads the flat schema, with rope_scaling and rope_theta apart', () => {
    const { text, vision } = parseArchitecture(flat, 'here');
    expect(text).toMatchObject({
      hidden: 64,
      kvHeads: 2,
      ropeTheta: 1_000_000,
      mropeSection: [4, 2, 2],
      tiedHead: false,
    });
    expect(vision).toMatchObject({ headDim: 20, windowUnits: 4, fullAttentionLayers: new Set([0, 2]) });
  });

  it('fills in what published files leave out', () => {
    const { rope_theta: _, rms_norm_eps: __, initializer_range: ___, ...rest } = flat;
    const { patch_size, temporal_patch_size, spatial_merge_size, window_size, in_chans, ...vision } = part(
      flat,
      'vision_config',
    );
    // Named, so that the golden's own values are known to be the defaults.
    expect([patch_size, temporal_patch_size, spatial_merge_size, window_size, in_chans]).toEqual([
      14, 2, 2, 112, 3,
    ]);
    expect(parseArchitecture({ ...rest, vision_config: vision }, 'here')).toEqual(
      parseArchitecture(flat, 'here'),
    );
  });

  it('takes a head as tied only where the file says so, at the top level or with the text', () => {
    const { tie_word_embeddings: _, ...silent } = flat;
    expect(parseArchitecture(silent, 'here').text.tiedHead).toBe(false);
    const { tie_word_embeddings: __, ...quiet } = nested;
    const inText = { ...quiet, text_config: { ...part(nested, 'text_config'), tie_word_embeddings: true } };
    expect(parseArchitecture(quiet, 'here').text.tiedHead).toBe(false);
    expect(parseArchitecture(inText, 'here').text.tiedHead).toBe(true);
  });

  it.each<[string, Json, RegExp]>([
    [
      'another model',
      { model_type: 'qwen2_vl' },
      /model_type[^]*expected: qwen2_5_vl[^]*found: {4}"qwen2_vl"/,
    ],
    ['no model type', { model_type: undefined }, /found: {4}null/],
    [
      'no vision tower',
      { vision_config: undefined },
      /vision_config[^]*expected: a Qwen2\.5-VL configuration/,
    ],
    ['no width', { hidden_size: undefined }, /top level[^]*hidden_size/],
    ['a text for a number', { num_hidden_layers: 'two' }, /num_hidden_layers/],
    ['another activation', { hidden_act: 'gelu' }, /hidden_act/],
    ['a sliding window', { use_sliding_window: true }, /use_sliding_window/],
    ['no rotary section', { rope_scaling: undefined }, /expected: rope_scaling or rope_parameters/],
    [
      'a section that misses the head',
      { rope_scaling: { mrope_section: [4, 2, 1] } },
      /expected: an mrope_section that sums to 8[^]*found: {4}4 \+ 2 \+ 1/,
    ],
    ['heads that do not divide the width', { num_attention_heads: 5 }, /mrope_section/],
    [
      'a head of ten',
      { hidden_size: 40, rope_scaling: { mrope_section: [1, 2, 2] } },
      /expected: a head dimension that is a multiple of 4[^]*found: {4}10/,
    ],
    ['key heads that share unevenly', { num_key_value_heads: 3 }, /found: {4}4 and 3/],
    ['no image token', { image_token_id: undefined }, /expected: an image_token_id/],
  ])('refuses %s', (_, changes, message) => {
    const broken = () => parseArchitecture({ ...flat, ...changes }, 'folder/config.json');
    expect(broken).toThrow(CheckpointError);
    expect(broken).toThrow(message);
    expect(broken).toThrow(/folder\/config\.json/);
  });

  it('refuses a tower whose features do not fit the decoder', () => {
    const vision = { ...part(flat, 'vision_config'), out_hidden_size: 32 };
    expect(() => parseArchitecture({ ...flat, vision_config: vision }, 'here')).toThrow(
      /expected: out_hidden_size 64[^]*found: {4}32/,
    );
  });

  it('names the nested part that is wrong', () => {
    const text = { ...part(nested, 'text_config'), vocab_size: 0 };
    expect(() => parseArchitecture({ ...nested, text_config: text }, 'here')).toThrow(
      /text_config[^]*vocab_size/,
    );
  });
});

it('says which file a folder lacks', async () => {
  await expect(loadArchitecture('test/golden')).rejects.toThrow(CheckpointError);
  await expect(loadArchitecture('test/golden')).rejects.toThrow(/config\.json/);
});

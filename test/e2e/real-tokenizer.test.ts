/** A model of ten million random parameters with the real Qwen2.5 tokenizer, on pictures of many sizes. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { makeQwenFolder, removeFolder } from '../golden/processor/qwen-folder.ts';
import { wethink, writeRows } from './world.ts';

/** The 3B configuration scaled down to 10 M parameters, nearly all of them in the embedding. */
const CONFIG = {
  architectures: ['Qwen2_5_VLForConditionalGeneration'],
  model_type: 'qwen2_5_vl',
  eos_token_id: 151645,
  vision_start_token_id: 151652,
  vision_end_token_id: 151653,
  image_token_id: 151655,
  video_token_id: 151656,
  hidden_size: 64,
  intermediate_size: 344,
  num_attention_heads: 4,
  num_hidden_layers: 2,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
  vocab_size: 151936,
  rope_scaling: { type: 'mrope', mrope_section: [2, 3, 3] },
  vision_config: {
    depth: 2,
    hidden_size: 80,
    intermediate_size: 216,
    num_heads: 5,
    out_hidden_size: 64,
    window_size: 112,
    fullatt_block_indexes: [1],
  },
};
const SIZES = [
  [100, 60],
  [400, 100],
  [57, 300],
  [28, 28],
] as const;

let world: string;
let model: string;
beforeAll(async () => {
  world = await mkdtemp(join(tmpdir(), 'wethink-qwen-'));
  model = makeQwenFolder({ 'config.json': CONFIG });
  for (const [i, [width, height]] of SIZES.entries()) {
    const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
    const picture = sharp({ create: { width, height, channels: 3, background: '#888', noise } });
    await picture.png().toFile(join(world, `${i}.png`));
  }
  const rows = [
    ...SIZES.map((_, i) => ({ problem: 'How many dots?\n<image>', answer: `${i}`, image_path: `${i}.png` })),
    { problem: 'Which is larger: <image> or <image>?', answer: 'A', image_path: ['0.png', '2.png'] },
    { problem: 'What is 2 + 3?', answer: '5', image_path: '' },
    { problem: 'long '.repeat(900), answer: '5', image_path: '' },
    { problem: 'Where is it?', answer: '5', image_path: 'nowhere.png' },
  ];
  await writeRows(join(world, 'rows.jsonl'), rows);
  const config = {
    model: { path: model, from_scratch: true },
    data: {
      train_files: 'rows.jsonl',
      rollout_batch_size: 2,
      max_response_length: 4,
      max_prompt_length: 800,
      max_bad_fraction: 0.2,
    },
    rollout: { n: 2 },
    trainer: {
      max_steps: 3,
      save_checkpoint_path: 'runs',
      gpu: { adapter: process.env['WETHINK_ADAPTER'] ?? 'embedded' },
    },
  };
  await writeFile(join(world, 'run.yaml'), stringify(config));
});
afterAll(async () => {
  removeFolder(model);
  await rm(world, { recursive: true, force: true });
});

it('takes three steps and accounts for every row', async () => {
  const { status, stderr } = await wethink(world, 'train', 'run.yaml');
  expect(status, stderr).toBe(0);
  // Eight rows: six are trained on, one is too long, one has no picture.
  expect(stderr).toContain('6 rows to train on');
  expect(stderr).toContain('1 of 7 rows left out');
  expect(stderr).toMatch(/skipped .*rows\.jsonl:8: .*nowhere\.png/s);
  const rollouts = await Promise.all(
    [1, 2, 3].map((step) =>
      readFile(join(world, `runs/wethink/run/rollouts/step_00000${step}.jsonl`), 'utf8'),
    ),
  );
  const seen = rollouts
    .join('')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { row_id: string }).row_id);
  expect(seen.sort()).toEqual([1, 2, 3, 4, 5, 6].map((line) => `rows:${line}`));
});

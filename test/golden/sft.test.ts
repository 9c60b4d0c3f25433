/** Ten steps of supervised warm-up against PyTorch. */
import { expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { FROZEN, Qwen2_5_VL } from '../../src/model/qwen2_5_vl.ts';
import { Optimizer } from '../../src/optim/optimizer.ts';
import { supervisedUpdate } from '../../src/train/sft.ts';
import { openGpu } from '../parity/harness.ts';
import { groupOf, modelFolder, readJson } from './golden-models.ts';

/** Issue bar. PyTorch's own f32 deviates by 7e-7. */
const RELATIVE_TOLERANCE = 1e-3;
/** The golden does not clip. */
const NO_CLIPPING = 1e9;

interface SftGolden {
  model: string;
  optimizer: { lr: number; betas: number[]; eps: number; weight_decay: number };
  loss_before_step: number[];
  first_grad_norm: number;
  rows: { input_ids: number[]; images: string[]; response: number[] }[];
}

const opened = openGpu();

it('ten losses within 1e-3 relative', async () => {
  const golden = readJson<SftGolden>('reference/sft_tied.json');
  const { lr, betas, eps, weight_decay } = golden.optimizer;
  const config = parseConfig('', 'sft.yaml', [
    'model.path=unused',
    'data.train_files=unused',
    `optim={lr: ${lr}, betas: [${betas.join(', ')}], eps: ${eps}, weight_decay: ${weight_decay}, max_grad_norm: ${NO_CLIPPING}}`,
  ]);
  const { gpu } = opened;
  const model = await Qwen2_5_VL.load(gpu, modelFolder(golden.model), {
    ...FROZEN,
    training: 'full',
    freezeVision: false,
  });
  const optimizer = new Optimizer(gpu, model.layers.trainable(), config.optim);
  const groups = await Promise.all(
    golden.rows.map((row) => groupOf({ ...row, responses: [row.response], rewards: [] })),
  );
  const losses: number[] = [];
  for (let step = 0; step < golden.loss_before_step.length; step++) {
    const { loss, gradNorm } = await supervisedUpdate({ config, gpu, model, optimizer }, groups, lr);
    if (step === 0) expect(gradNorm / golden.first_grad_norm).toBeCloseTo(1, 4);
    losses.push(loss);
  }
  const worst = Math.max(...losses.map((loss, i) => Math.abs(loss / golden.loss_before_step[i]! - 1)));
  expect(worst).toBeLessThanOrEqual(RELATIVE_TOLERANCE);
});

/** The forward pass and greedy generation against transformers, on every golden model and prompt. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { packGroups } from '../../src/model/packed-batch.ts';
import { decoderSegments } from '../../src/model/decoder.ts';
import { FROZEN, Qwen2_5_VL } from '../../src/model/qwen2_5_vl.ts';
import { runSegments } from '../../src/model/segment.ts';
import { uploadBatch, uploadTargets } from '../../src/model/upload.ts';
import { gatherRows } from '../../src/ops/embedding.ts';
import { openGpu } from '../parity/harness.ts';
import { Golden, caseNames, casePrompt, inputs, maxDifference, modelFolder } from './golden-models.ts';

/** Issue bar: 1e-4 absolute. PyTorch's own f32 is 1.5e-5 off these float64 references. */
const LOGPROB_TOLERANCE = 1e-4;
/** Hidden states of these random models reach about 50; f32 sums in another order differ in the last bits. */
const HIDDEN_TOLERANCE = 5e-4;
const FEATURE_TOLERANCE = 5e-4;

describe.each(['tied_4to1', 'untied_2to1', 'untied_2to1_bf16'])('%s', (modelName) => {
  const { gpu } = lazyGpu();
  let model: Promise<Qwen2_5_VL> | undefined;
  let reference: Promise<Golden> | undefined;
  const open = async () => ({
    model: await (model ??= Qwen2_5_VL.load(gpu(), modelFolder(modelName), FROZEN)),
    golden: await (reference ??= Golden.open(`reference/forward_${modelName}`)),
  });

  it.each(caseNames)('%s: positions, image features, hidden states, log-probabilities', async (name) => {
    const { model: policy, golden } = await open();
    const prompt = await casePrompt(name);
    expect([...prompt.positions]).toEqual([...(await inputs.ints(`${name}.position_ids`))]);

    const batch = packGroups([{ prompt, responses: [] }], policy.architecture);
    const length = prompt.tokens.length;
    batch.headRows = Int32Array.from({ length: length - 1 }, (_, i) => i);
    batch.targets = prompt.tokens.slice(1);
    const uploaded = uploadBatch(policy, batch);

    if (uploaded.vision) {
      const features = policy.visionFeatures(uploaded.vision);
      const inOrder = gatherRows(features, {
        index_N: tf.tensor1d(batch.vision!.layout.featureRow, 'int32'),
      });
      const expected = await golden.values(`${name}.image_features`);
      expect(maxDifference(await gpu().read(inOrder), expected)).toBeLessThanOrEqual(FEATURE_TOLERANCE);
    }
    const features = uploaded.vision ? policy.visionFeatures(uploaded.vision) : undefined;
    const embedded = gatherRows(
      policy.layers.weight('model.language_model.embed_tokens.weight'),
      uploaded.source,
      features,
    );
    for (let layers = 1; layers <= policy.architecture.text.layers; layers++) {
      const config = { ...policy.architecture.text, layers };
      const blocks = decoderSegments(policy.layers, config, uploaded, policy.rotary.text);
      const hidden = runSegments(blocks, embedded);
      const expected = await golden.values(`${name}.hidden_layer_${layers - 1}`);
      expect(maxDifference(await gpu().read(hidden), expected), `layer ${layers - 1}`).toBeLessThanOrEqual(
        HIDDEN_TOLERANCE,
      );
    }
    const { logprob, entropy } = policy.logprobs(uploaded, { ...uploadTargets(batch), temperature: 1 });
    const logprobError = maxDifference(await gpu().read(logprob), await golden.values(`${name}.logprobs`));
    const entropyError = maxDifference(await gpu().read(entropy), await golden.values(`${name}.entropy`));
    expect(logprobError).toBeLessThanOrEqual(LOGPROB_TOLERANCE);
    expect(entropyError).toBeLessThanOrEqual(LOGPROB_TOLERANCE);
  });
});

function lazyGpu() {
  const opened = openGpu();
  return { gpu: () => opened.gpu };
}

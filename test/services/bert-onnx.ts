/** Makes the ONNX folder of a BERT that was published as safetensors, as `transformers` computes it. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SafetensorsFile } from '../../src/io/safetensors.ts';
import { OnnxGraph } from './onnx-writer.ts';

const COPIED = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];
const INPUTS = ['input_ids', 'attention_mask', 'token_type_ids'];
/** As good as minus infinity for a softmax, without its NaN. */
const MASKED = -1e9;

const configSchema = z.object({
  hidden_act: z.literal('gelu'),
  hidden_size: z.int(),
  layer_norm_eps: z.number(),
  num_attention_heads: z.int(),
  num_hidden_layers: z.int(),
});
type BertConfig = z.infer<typeof configSchema>;

/** Writes the folder `out`: the encoder from token ids to `last_hidden_state`, beside the tokenizer's files. */
export async function exportBert(modelDir: string, out: string): Promise<void> {
  await mkdir(join(out, 'onnx'), { recursive: true });
  await Promise.all(COPIED.map((name) => copyFile(join(modelDir, name), join(out, name))));
  const config = configSchema.parse(JSON.parse(await readFile(join(modelDir, 'config.json'), 'utf8')));
  const file = await SafetensorsFile.open(join(modelDir, 'model.safetensors'));
  try {
    const graph = new OnnxGraph();
    for (const [name, { shape, dtype }] of file.tensors) {
      if (dtype === 'F32') graph.floats(name, shape, await file.read(name));
    }
    await writeFile(join(out, 'onnx/model.onnx'), encoder(graph, config));
  } finally {
    await file.close();
  }
}

function encoder(graph: OnnxGraph, config: BertConfig): Buffer {
  const { hidden_size: width, num_hidden_layers: layers } = config;
  const table = (name: string): string => `embeddings.${name}_embeddings.weight`;
  const length = graph.node('Shape', ['input_ids'], { start: 1 });
  const places = graph.node('Slice', [table('position'), graph.integers(0), length]);
  const words = graph.node('Gather', [table('word'), 'input_ids']);
  const types = graph.node('Gather', [table('token_type'), 'token_type_ids']);
  const summed = graph.node('Add', [graph.node('Add', [words, types]), places]);
  const mask = maskScores(graph);
  let hidden = norm(graph, summed, 'embeddings', config);
  for (let layer = 0; layer < layers; layer++) {
    const name = `encoder.layer.${layer}`;
    const seen = attention(graph, hidden, mask, `${name}.attention`, config);
    hidden = norm(graph, graph.node('Add', [hidden, seen]), `${name}.attention.output`, config);
    const inner = gelu(graph, linear(graph, hidden, `${name}.intermediate.dense`));
    const outer = linear(graph, inner, `${name}.output.dense`);
    hidden = norm(graph, graph.node('Add', [hidden, outer]), `${name}.output`, config);
  }
  return graph.model(INPUTS, { name: 'last_hidden_state', from: hidden, dims: ['batch', 'length', width] });
}

/** 0 for a token that is there, a very low score for padding: [batch, 1, 1, length]. */
function maskScores(graph: OnnxGraph): string {
  const kept = graph.node('Cast', ['attention_mask'], { to: 1 });
  const absent = graph.node('Sub', [graph.scalar(1), kept]);
  const scores = graph.node('Mul', [absent, graph.scalar(MASKED)]);
  return graph.node('Unsqueeze', [scores, graph.integers(1, 2)]);
}

function linear(graph: OnnxGraph, input: string, name: string): string {
  const weight = graph.node('Transpose', [`${name}.weight`], { perm: [1, 0] });
  return graph.node('Add', [graph.node('MatMul', [input, weight]), `${name}.bias`]);
}

function norm(
  graph: OnnxGraph,
  input: string,
  name: string,
  { layer_norm_eps: epsilon }: BertConfig,
): string {
  const parts = [input, `${name}.LayerNorm.weight`, `${name}.LayerNorm.bias`];
  return graph.node('LayerNormalization', parts, { axis: -1, epsilon: { float: epsilon } });
}

function attention(
  graph: OnnxGraph,
  input: string,
  mask: string,
  name: string,
  { hidden_size: width, num_attention_heads: heads }: BertConfig,
): string {
  const split = graph.integers(0, 0, heads, width / heads);
  const part = (kind: string, perm: number[]): string =>
    graph.node('Transpose', [graph.node('Reshape', [linear(graph, input, `${name}.self.${kind}`), split])], {
      perm,
    });
  const scores = graph.node('MatMul', [part('query', [0, 2, 1, 3]), part('key', [0, 2, 3, 1])]);
  const scaled = graph.node('Mul', [scores, graph.scalar(1 / Math.sqrt(width / heads))]);
  const weights = graph.node('Softmax', [graph.node('Add', [scaled, mask])], { axis: -1 });
  const mixed = graph.node('MatMul', [weights, part('value', [0, 2, 1, 3])]);
  const rows = graph.node('Transpose', [mixed], { perm: [0, 2, 1, 3] });
  return linear(graph, graph.node('Reshape', [rows, graph.integers(0, 0, width)]), `${name}.output.dense`);
}

/** x/2 (1 + erf(x / √2)). */
function gelu(graph: OnnxGraph, input: string): string {
  const erf = graph.node('Erf', [graph.node('Mul', [input, graph.scalar(Math.SQRT1_2)])]);
  const gate = graph.node('Add', [erf, graph.scalar(1)]);
  return graph.node('Mul', [graph.node('Mul', [input, graph.scalar(0.5)]), gate]);
}

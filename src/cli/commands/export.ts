/** `wethink export hf`: a trained policy as a Hugging Face folder. */
import type { CommandModule } from 'yargs';
import type { AdapterChoice } from '../../gpu/adapter.ts';
import { adapterOption, MODEL_HELP } from '../options.ts';

interface ExportArgs {
  format: string;
  model: string;
  out: string;
  dtype: 'bf16' | 'stored';
  adapter: AdapterChoice;
}

export const exportCommand: CommandModule<object, ExportArgs> = {
  command: 'export <format>',
  describe: 'Write a trained policy for other programs',
  builder: (yargs) =>
    yargs
      .positional('format', {
        choices: ['hf'],
        demandOption: true,
        describe: 'hf: a folder that transformers loads',
      })
      .option('model', {
        type: 'string',
        demandOption: true,
        describe: `Step folder of a run; ${MODEL_HELP}`,
      })
      .option('out', { type: 'string', demandOption: true, describe: 'Folder to write' })
      .option('dtype', {
        choices: ['bf16', 'stored'] as const,
        default: 'stored' as const,
        describe: 'Weights in bf16, or as they are stored',
      })
      .option('adapter', adapterOption)
      .example('$0 export hf --model checkpoints/wethink/quickstart/step_000100 --out my-model', ''),
  handler: async ({ model, out, dtype, adapter }) => {
    const { Gpu } = await import('../../gpu/gpu.ts');
    const { exportHuggingFace } = await import('../../train/export.ts');
    const gpu = await Gpu.open(adapter);
    await exportHuggingFace(gpu, model, out, dtype);
    gpu.close();
    process.stdout.write(`${out}\n`);
  },
};

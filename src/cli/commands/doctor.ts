/** `wethink doctor`: what this machine computes with, whether it computes right, and whether a run fits it. */
import type { CommandModule } from 'yargs';
import type { Config } from '../../config/schema.ts';
import type { AdapterChoice } from '../../gpu/adapter.ts';
import type { MemoryReport } from '../memory-report.ts';
import { adapterOption, overridesPositional } from '../options.ts';

interface DoctorArgs {
  config: string | undefined;
  overrides: string[];
  adapter: AdapterChoice | undefined;
  json: boolean;
}

export const doctorCommand: CommandModule<object, DoctorArgs> = {
  command: 'doctor [config] [overrides..]',
  describe: 'Show the adapter, its features and limits, test every kernel, and plan the memory of a run',
  builder: (yargs) =>
    yargs
      .positional('config', { type: 'string', describe: 'YAML file of a run whose memory is to be planned' })
      .positional('overrides', overridesPositional)
      .option('adapter', {
        choices: adapterOption.choices,
        defaultDescription: "the configuration's, or auto",
        describe: adapterOption.describe,
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print JSON' })
      .example('$0 doctor', 'the adapter that a run would choose')
      .example('$0 doctor --adapter embedded', 'the software driver of this package')
      .example(
        '$0 doctor configs/qwen2_5_vl_3b_lora.yaml rollout.n=16',
        'the memory that this run would need',
      ),
  handler: async ({ config: file, overrides, adapter, json }) => {
    const { loadConfig } = await import('../../config/load.ts');
    const config = file === undefined ? undefined : await loadConfig(file, overrides);
    if (config && adapter) config.trainer.gpu.adapter = adapter;
    const memory = config && (await planned(config));
    const { Gpu } = await import('../../gpu/gpu.ts');
    const { selfTest } = await import('../../ops/self-test.ts');
    const { ConfigError, GpuError } = await import('../../util/errors.ts');
    const { deviceReport, formatReport } = await import('../device-report.ts');
    const { formatMemory } = await import('../memory-report.ts');
    const { gigabytes } = await import('../../util/gigabytes.ts');
    const gpu = await Gpu.open(config?.trainer.gpu.adapter ?? adapter);
    const report = { ...deviceReport(gpu, await selfTest(gpu)), ...(memory && { memory }) };
    gpu.close();
    const text = () => [formatReport(report), ...(memory ? [formatMemory(memory)] : [])].join('\n');
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : text());
    const wrong = report.selfTest.filter(({ ok }) => !ok);
    if (wrong.length > 0) {
      throw new GpuError({
        where: `${gpu.name}: ${wrong.map(({ name }) => name).join(', ')}`,
        expected: 'the results of float64 arithmetic, within the tolerance',
        found: wrong.map(({ worst, error }) => `${worst}: off by ${error.toExponential(1)}`).join('; '),
        fix: 'do not train on this adapter; update its driver, or choose another with --adapter',
      });
    }
    if (!memory || memory.fits) return;
    throw new ConfigError({
      where: 'trainer.gpu.memory_budget_gb',
      expected: `at least ${gigabytes(memory.peakBytes)}`,
      found: gigabytes(memory.limitBytes!),
      fix: memory.remedies[0]
        ? `raise it, or change the configuration, such as ${memory.remedies[0].change}`
        : 'raise it, or take a smaller model',
    });
  },
};

async function planned(config: Config): Promise<MemoryReport> {
  const { planMemory, planRemedies } = await import('../../train/memory-plan.ts');
  const { memoryReport } = await import('../memory-report.ts');
  const plan = await planMemory(config);
  const fits = plan.peakBytes <= plan.limitBytes;
  return memoryReport(plan, fits ? [] : await planRemedies(config, plan));
}

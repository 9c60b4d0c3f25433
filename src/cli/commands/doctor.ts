/** `wethink doctor`: what this machine computes with, and whether it computes right. */
import type { CommandModule } from 'yargs';
import type { AdapterChoice } from '../../gpu/adapter.ts';
import { adapterOption } from '../options.ts';

interface DoctorArgs {
  adapter: AdapterChoice;
  json: boolean;
}

export const doctorCommand: CommandModule<object, DoctorArgs> = {
  command: 'doctor',
  describe: 'Show the adapter, its features and limits, and test every kernel',
  builder: (yargs) =>
    yargs
      .option('adapter', adapterOption)
      .option('json', { type: 'boolean', default: false, describe: 'Print JSON' })
      .example('$0 doctor', 'the adapter that a run would choose')
      .example('$0 doctor --adapter embedded', 'the software driver of this package'),
  handler: async ({ adapter, json }) => {
    const { Gpu } = await import('../../gpu/gpu.ts');
    const { selfTest } = await import('../../ops/self-test.ts');
    const { GpuError } = await import('../../util/errors.ts');
    const { deviceReport, formatReport } = await import('../device-report.ts');
    const gpu = await Gpu.open(adapter);
    const report = deviceReport(gpu, await selfTest(gpu));
    gpu.close();
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report));
    const wrong = report.selfTest.filter(({ ok }) => !ok);
    if (wrong.length === 0) return;
    throw new GpuError({
      where: `${gpu.name}: ${wrong.map(({ name }) => name).join(', ')}`,
      expected: 'the results of float64 arithmetic, within the tolerance',
      found: wrong.map(({ worst, error }) => `${worst}: off by ${error.toExponential(1)}`).join('; '),
      fix: 'do not train on this adapter; update its driver, or choose another with --adapter',
    });
  },
};

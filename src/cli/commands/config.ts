/** `wethink config`: what a configuration file and its overrides come to. */
import type { CommandModule } from 'yargs';
import { overridesPositional } from '../options.ts';

interface ConfigArgs {
  config: string | undefined;
  overrides: string[];
  json: boolean;
  schema: boolean;
}

export const configCommand: CommandModule<object, ConfigArgs> = {
  command: 'config [config] [overrides..]',
  describe: 'Print the resolved configuration',
  builder: (yargs) =>
    yargs
      .positional('config', { type: 'string', describe: 'YAML file' })
      .positional('overrides', overridesPositional)
      .option('json', { type: 'boolean', default: false, describe: 'Print JSON instead of YAML' })
      .option('schema', { type: 'boolean', default: false, describe: 'Print the JSON Schema of all keys' })
      .check(
        ({ config, schema }) => schema || config !== undefined || 'Name a configuration file, or --schema.',
      )
      .example('$0 config configs/quickstart.yaml optim.lr=3e-5', 'what a run with this override would use')
      .example('$0 config --schema > wethink.schema.json', 'for completion and checks in an editor'),
  handler: async ({ config: file, overrides, json, schema }) => {
    if (schema || file === undefined) {
      const { jsonSchema } = await import('../../config/known-keys.ts');
      process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
      return;
    }
    const { loadConfig } = await import('../../config/load.ts');
    const { resolvedYaml } = await import('../../config/resolved.ts');
    const config = await loadConfig(file, overrides);
    process.stdout.write(json ? `${JSON.stringify(config, null, 2)}\n` : resolvedYaml(config));
  },
};

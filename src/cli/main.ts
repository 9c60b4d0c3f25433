#!/usr/bin/env node
/**
 * The command line. Commands are one file each under `commands/`; they import what they need when they run, so
 * that help is instant. Results go to standard output, everything else to standard error.
 */
import { readFileSync } from 'node:fs';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { benchCommand } from './commands/bench.ts';
import { configCommand } from './commands/config.ts';
import { doctorCommand } from './commands/doctor.ts';
import { exportCommand } from './commands/export.ts';
import { generateCommand } from './commands/generate.ts';
import { rewardCommand } from './commands/reward.ts';
import { scoreCommand } from './commands/score.ts';
import { sftCommand } from './commands/sft.ts';
import { trainCommand } from './commands/train.ts';
import { ConfigError, WethinkError } from '../util/errors.ts';
import { reportError } from './report-error.ts';

const HELP_COLUMNS = 110;
/** Arguments that may have several values; yargs makes a list of any other that comes twice. */
const LISTS = new Set(['_', 'overrides', 'image', 'stop']);

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

// yargs would take the word after a bare --resume, often an override, as its value.
const args = hideBin(process.argv).map((arg) => (arg === '--resume' ? '--resume=' : arg));

// Somebody downstream, such as `head`, has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

// Node ends a program, with status 13 and no word, when all that it waits for is in threads that do not keep it alive:
// idle threads of the verifiers do not, and one command in thousands was seen to end so between two of its steps.
const alive = setInterval(() => {}, 60_000);

try {
  await yargs(args)
    .scriptName('wethink')
    .usage('$0 <command> [config.yaml] [key=value …]')
    // A dot in an option's name is part of the name, and only overrides set configuration keys.
    .parserConfiguration({ 'dot-notation': false })
    .command(trainCommand)
    .command(sftCommand)
    .command(generateCommand)
    .command(scoreCommand)
    .command(rewardCommand)
    .command(exportCommand)
    .command(configCommand)
    .command(doctorCommand)
    .command(benchCommand)
    .check((argv) => {
      const twice = Object.keys(argv).find((key) => Array.isArray(argv[key]) && !LISTS.has(key));
      return twice === undefined || `--${twice} is given twice.`;
    })
    .demandCommand(1, 'Name a command.')
    .recommendCommands()
    .strict()
    .version(version())
    .help()
    .alias({ help: 'h', version: 'v' })
    .wrap(HELP_COLUMNS)
    .fail((message: string | null, error) => {
      // Errors of a command come without a message; yargs passes on a second time what is thrown here.
      if (message === null || error instanceof WethinkError) throw error;
      throw new ConfigError(`${message}\nUsage: wethink <command> --help`);
    })
    .parseAsync();
} catch (error) {
  process.exitCode = reportError(error);
} finally {
  clearInterval(alive);
}

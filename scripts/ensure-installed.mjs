// Installs the locked packages when they are missing or stale, so that `npm run quickstart` and `npm test`
// are enough after a clone. Plain JavaScript without dependencies: it runs on whatever Node is at hand.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';

const installed = 'node_modules/.package-lock.json';
const fresh = existsSync(installed) && statSync(installed).mtimeMs >= statSync('package-lock.json').mtimeMs;
if (!fresh) {
  console.log('Installing packages (npm ci) ...');
  // onnxruntime-node would otherwise fetch CUDA libraries, which nothing here uses, from outside the registry.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = spawnSync('npm', args, { stdio: 'inherit', shell: true, env });
  if (status !== 0) process.exit(status ?? 1);
}

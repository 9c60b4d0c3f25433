// Installs the locked packages when they are missing or stale, so that `npm run quickstart` and `npm test`
// are enough after a clone. Plain JavaScript without dependencies: it runs on whatever Node is at hand.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';

const installed = 'node_modules/.package-lock.json';
const fresh = existsSync(installed) && statSync(installed).mtimeMs >= statSync('package-lock.json').mtimeMs;
if (!fresh) {
  console.log('Installing packages (npm ci) ...');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { stdio: 'inherit', shell: true });
  if (status !== 0) process.exit(status ?? 1);
}

import { expect, it } from 'vitest';
import { groupAdvantage } from '../../src/ops/group-advantage.ts';
import { expectClose, guarded, openGpu, randomValues } from './harness.ts';
import * as reference from './reference/group-advantage.ts';

// Rewards near 1 have a rounding of 6e-8, which a standard deviation of 0.1 enlarges tenfold.
const TOLERANCE = 3e-6;

const device = openGpu();

it.each([
  [1, 2],
  [3, 8],
  [5, 1],
  [70, 5],
])('advantage of %i groups of %i', async (B, G) => {
  const rewards = randomValues(B * G, 'rewards').map((x) => 0.7 * Math.round(x) + 0.3);
  const all = new Float32Array(B * G).fill(1);
  // Whole groups without a known reward are among these, and groups with one.
  const some = Float32Array.from(randomValues(B * G, 'known'), (x) => (x > 0.3 ? 1 : 0));
  await guarded(device.gpu, async ({ input, read }) => {
    for (const known of [all, some]) {
      const hidden = rewards.map((reward, i) => (known[i] === 1 ? reward : 1e30));
      const [reward_BG, known_BG] = [input([B, G], hidden), input([B, G], known)];
      for (const scale of ['none', 'group', 'batch'] as const) {
        expectClose(
          await read(groupAdvantage(reward_BG, known_BG, scale)),
          reference.groupAdvantage(rewards, known, G, scale),
          TOLERANCE,
          `scale ${scale}, ${known === all ? 'all' : 'some'} known`,
        );
      }
    }
  });
});

it('equal rewards have an advantage of exactly 0, so that their group can be left out', async () => {
  await guarded(device.gpu, async ({ input, read }) => {
    const reward_BG = input([2, 7], new Float32Array(14).fill(0.3, 0, 7).fill(1, 7).fill(9, 0, 1));
    const known_BG = input([2, 7], new Float32Array(14).fill(1).fill(0, 0, 1));
    for (const scale of ['none', 'group', 'batch'] as const) {
      const advantage = await read(groupAdvantage(reward_BG, known_BG, scale));
      expect([...advantage], scale).toEqual(Array.from({ length: 14 }, () => 0));
    }
  });
});

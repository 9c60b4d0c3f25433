// advantage[b, g] = (reward[b, g] - mean_b) / (std + 1e-4), with the sample standard deviation (divisor n - 1; 0 for
// n = 1) by SCALE: 0 none, and no division; 1 of the group; 2 of the batch. Mean and deviation are those of the
// rewards that are known; a reward that is not known has the advantage 0. (GRPO, arXiv 2402.03300; divisor, 1e-4, the
// deviation of the batch and the meaning of a missing reward as TRL.)
//
// reward_BG     f32 read        [B, G]
// known_BG      f32 read        [B, G]  1, or 0 where the reward is not known and its value means nothing
// advantage_BG  f32 read_write  [B, G]
// grid          gridFor(B, 64)
// One thread per group, two passes in f32 in the order of the rewards: deterministic. Tolerance 1e-5.
override SCALE: u32 = 1u;

const NONE = 0u;
const GROUP = 1u;

struct Params {
  prompts: u32, // B
  group: u32, // G
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> reward_BG: array<f32>;
@group(0) @binding(2) var<storage, read> known_BG: array<f32>;
@group(0) @binding(3) var<storage, read_write> advantage_BG: array<f32>;

struct Mean {
  // The first known reward, from which the others are counted: equal rewards give exactly 0 and not a rounding error
  // over 1e-4.
  base: f32,
  above: f32, // what the mean has more
  count: u32,
}

fn mean_of(first: u32, end: u32) -> Mean {
  var mean = Mean(0.0, 0.0, 0u);
  for (var i = first; i < end; i++) {
    if (known_BG[i] != 0.0) {
      if (mean.count == 0u) {
        mean.base = reward_BG[i];
      }
      mean.count += 1u;
      mean.above += reward_BG[i] - mean.base;
    }
  }
  mean.above /= f32(max(mean.count, 1u));
  return mean;
}

fn deviation(first: u32, end: u32) -> f32 {
  let mean = mean_of(first, end);
  var squares = 0.0;
  for (var i = first; i < end; i++) {
    if (known_BG[i] != 0.0) {
      let d = reward_BG[i] - mean.base - mean.above;
      squares += d * d;
    }
  }
  return sqrt(squares / f32(max(mean.count, 2u) - 1u));
}

@compute @workgroup_size(64)
fn group_advantage(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let b = id.x + id.y * groups.x * 64u;
  if (b >= params.prompts) {
    return;
  }
  let first = b * params.group;
  let end = first + params.group;
  let mean = mean_of(first, end);
  var divisor = 1.0;
  if (SCALE != NONE) {
    let whole = SCALE != GROUP;
    let all = params.prompts * params.group;
    divisor = deviation(select(first, 0u, whole), select(end, all, whole)) + 1e-4;
  }
  for (var i = first; i < end; i++) {
    var advantage = 0.0;
    if (known_BG[i] != 0.0) {
      advantage = (reward_BG[i] - mean.base - mean.above) / divisor;
    }
    advantage_BG[i] = advantage;
  }
}

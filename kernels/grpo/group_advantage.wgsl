// advantage[b, g] = (reward[b, g] - mean_b) / (std_b + 1e-4), with the sample standard deviation (divisor n - 1; 0
// for n = 1); without SCALE: reward - mean. Mean and deviation are those of the n rewards of the group that are
// known; a reward that is not known has the advantage 0. (GRPO, arXiv 2402.03300; divisor, 1e-4 and the meaning of
// a missing reward as TRL.)
//
// reward_BG     f32 read        [B, G]
// known_BG      f32 read        [B, G]  1, or 0 where the reward is not known and its value means nothing
// advantage_BG  f32 read_write  [B, G]
// grid          gridFor(B, 64)
// One thread per group, two passes in f32 in the order of g: deterministic. Tolerance 1e-5.
override SCALE: bool = true;

struct Params {
  prompts: u32, // B
  group: u32, // G
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> reward_BG: array<f32>;
@group(0) @binding(2) var<storage, read> known_BG: array<f32>;
@group(0) @binding(3) var<storage, read_write> advantage_BG: array<f32>;

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
  // Counted from the first known reward, so that equal rewards give exactly 0 and not a rounding error over 1e-4.
  var base = 0.0;
  var count = 0u;
  var sum = 0.0;
  for (var g = 0u; g < params.group; g++) {
    if (known_BG[first + g] == 0.0) {
      continue;
    }
    if (count == 0u) {
      base = reward_BG[first + g];
    }
    count += 1u;
    sum += reward_BG[first + g] - base;
  }
  let mean = sum / f32(max(count, 1u));
  var divisor = 1.0;
  if (SCALE) {
    var squares = 0.0;
    for (var g = 0u; g < params.group; g++) {
      if (known_BG[first + g] != 0.0) {
        let d = reward_BG[first + g] - base - mean;
        squares += d * d;
      }
    }
    divisor = sqrt(squares / f32(max(count, 2u) - 1u)) + 1e-4;
  }
  for (var g = 0u; g < params.group; g++) {
    var advantage = 0.0;
    if (known_BG[first + g] != 0.0) {
      advantage = (reward_BG[first + g] - base - mean) / divisor;
    }
    advantage_BG[first + g] = advantage;
  }
}

// advantage[b, g] = (reward[b, g] - mean_b) / (std_b + 1e-4), with the sample standard deviation (divisor
// G - 1; 0 for a group of one); without SCALE: reward - mean. (GRPO, arXiv 2402.03300; divisor and 1e-4 as TRL.)
//
// reward_BG     f32 read        [B, G]
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
@group(0) @binding(2) var<storage, read_write> advantage_BG: array<f32>;

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
  // Counted from the first reward, so that equal rewards give exactly 0 and not a rounding error over 1e-4.
  let base = reward_BG[first];
  var sum = 0.0;
  for (var g = 0u; g < params.group; g++) {
    sum += reward_BG[first + g] - base;
  }
  let mean = sum / f32(params.group);
  var divisor = 1.0;
  if (SCALE) {
    var squares = 0.0;
    for (var g = 0u; g < params.group; g++) {
      let d = reward_BG[first + g] - base - mean;
      squares += d * d;
    }
    divisor = sqrt(squares / f32(max(params.group, 2u) - 1u)) + 1e-4;
  }
  for (var g = 0u; g < params.group; g++) {
    advantage_BG[first + g] = (reward_BG[first + g] - base - mean) / divisor;
  }
}

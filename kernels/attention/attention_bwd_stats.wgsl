// stats[n, h] = (lse[n, h], dout[n, h] . out[n, h]): what the gradient's kernels need of every softmax.
//
// out_NHE   f32 read        [N, H * E], E a multiple of 4
// dout_NHE  f32 read        [N, H * E]
// lse_NH    f32 read        [N, H], from the forward kernel
// stats_NH  f32 read_write  [N, H] pairs
// grid      gridFor(N * H, 64): one thread per row and head
// Accumulates four lanes in f32 in the order of e: deterministic. Tolerance 2e-6.
override QUADS: u32 = 8u; // E / 4

struct Params {
  count: u32, // N * H
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> out_NHE: array<vec4f>;
@group(0) @binding(2) var<storage, read> dout_NHE: array<vec4f>;
@group(0) @binding(3) var<storage, read> lse_NH: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats_NH: array<vec2f>;

@compute @workgroup_size(64)
fn attention_bwd_stats(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let nh = id.x + id.y * groups.x * 64u;
  if (nh >= params.count) {
    return;
  }
  var lanes = vec4f();
  for (var e = 0u; e < QUADS; e++) {
    lanes += out_NHE[nh * QUADS + e] * dout_NHE[nh * QUADS + e];
  }
  stats_NH[nh] = vec2f(lse_NH[nh], lanes.x + lanes.y + lanes.z + lanes.w);
}

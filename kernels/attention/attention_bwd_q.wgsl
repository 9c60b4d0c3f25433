// dq[n, h] = scale * sum_m p[m] * (dout[n, h] . v[m, g] - delta[n, h]) * k[m, g],
//   p[m] = exp(scale * q[n, h] . k[m, g] - lse[n, h]), g = h / (H / K), m over the ranges of row n
//
// q_NHE      f32 read        [N, H * E], E a multiple of 4, at most 128
// k_MKE      f32 read        [M, K * E]
// v_MKE      f32 read        [M, K * E]
// ranges_N4  i32 read        [N, 4], rows of k and v
// dout_NHE   f32 read        [N, H * E]
// stats_NH   f32 read        [N, H] pairs: lse and delta = dout . out
// dq_NHE     f32 read_write  [N, H * E]
// grid       gridFor(N * H, 64): one thread per row and head
// Accumulates in f32 in the order of the keys: deterministic. Tolerance 5e-6.
override QUADS: u32 = 8u; // E / 4, at most 32

struct Params {
  rows: u32, // N
  heads: u32, // H
  kv_heads: u32, // K
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q_NHE: array<vec4f>;
@group(0) @binding(2) var<storage, read> k_MKE: array<vec4f>;
@group(0) @binding(3) var<storage, read> v_MKE: array<vec4f>;
@group(0) @binding(4) var<storage, read> ranges_N4: array<vec4i>;
@group(0) @binding(5) var<storage, read> dout_NHE: array<vec4f>;
@group(0) @binding(6) var<storage, read> stats_NH: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> dq_NHE: array<vec4f>;

@compute @workgroup_size(64)
fn attention_bwd_q(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let nh = id.x + id.y * groups.x * 64u;
  if (nh >= params.rows * params.heads) {
    return;
  }
  let kv_head = nh % params.heads / (params.heads / params.kv_heads);
  let range = vec4u(ranges_N4[nh / params.heads]);
  let first_keys = range.y - range.x;
  let keys = first_keys + range.w - range.z;
  let q_at = nh * QUADS;
  let stats = stats_NH[nh];
  var q: array<vec4f, 32>;
  var dout: array<vec4f, 32>;
  var dq: array<vec4f, 32>;
  for (var e = 0u; e < QUADS; e++) {
    q[e] = q_NHE[q_at + e];
    dout[e] = dout_NHE[q_at + e];
  }
  for (var key = 0u; key < keys; key++) {
    let m = select(range.z + (key - first_keys), range.x + key, key < first_keys);
    let at = (m * params.kv_heads + kv_head) * QUADS;
    var score = vec4f();
    var dp = vec4f();
    for (var e = 0u; e < QUADS; e++) {
      score += q[e] * k_MKE[at + e];
      dp += dout[e] * v_MKE[at + e];
    }
    let p = exp((score.x + score.y + score.z + score.w) * params.scale - stats.x);
    let dscore = p * (dp.x + dp.y + dp.z + dp.w - stats.y) * params.scale;
    for (var e = 0u; e < QUADS; e++) {
      dq[e] += dscore * k_MKE[at + e];
    }
  }
  for (var e = 0u; e < QUADS; e++) {
    dq_NHE[q_at + e] = dq[e];
  }
}

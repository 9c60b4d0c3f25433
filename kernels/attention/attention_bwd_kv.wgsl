// dv[m, g] = sum_nh p * dout[n, h]
// dk[m, g] = scale * sum_nh p * (dout[n, h] . v[m, g] - delta[n, h]) * q[n, h]
//   p = exp(scale * q[n, h] . k[m, g] - lse[n, h]), over the query rows n in [i0, i1), i = inverse[m], whose
//   ranges hold m, and the heads h of group g
//
// q_NHE       f32 read        [N, H * E], E a multiple of 4, at most 128
// k_MKE       f32 read        [M, K * E]
// v_MKE       f32 read        [M, K * E]
// ranges_N4   i32 read        [N, 4], rows of k and v
// inverse_M2  i32 read        [M, 2], rows of q
// dout_NHE    f32 read        [N, H * E]
// stats_NH    f32 read        [N, H] pairs: lse and delta = dout . out
// dk_MKE      f32 read_write  [M, K * E]
// dv_MKE      f32 read_write  [M, K * E]
// grid        gridFor(M * K, 64): one thread per key row and key head
// Accumulates in f32 in the order of n, then h: deterministic. Tolerance 5e-6.
override QUADS: u32 = 8u; // E / 4, at most 32

struct Params {
  rows: u32, // M
  heads: u32, // H
  kv_heads: u32, // K
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q_NHE: array<vec4f>;
@group(0) @binding(2) var<storage, read> k_MKE: array<vec4f>;
@group(0) @binding(3) var<storage, read> v_MKE: array<vec4f>;
@group(0) @binding(4) var<storage, read> ranges_N4: array<vec4i>;
@group(0) @binding(5) var<storage, read> inverse_M2: array<vec2i>;
@group(0) @binding(6) var<storage, read> dout_NHE: array<vec4f>;
@group(0) @binding(7) var<storage, read> stats_NH: array<vec2f>;
@group(0) @binding(8) var<storage, read_write> dk_MKE: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> dv_MKE: array<vec4f>;

@compute @workgroup_size(64)
fn attention_bwd_kv(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let mg = id.x + id.y * groups.x * 64u;
  if (mg >= params.rows * params.kv_heads) {
    return;
  }
  let m = i32(mg / params.kv_heads);
  let group_heads = params.heads / params.kv_heads;
  let first_head = mg % params.kv_heads * group_heads;
  let at = mg * QUADS;
  var k: array<vec4f, 32>;
  var v: array<vec4f, 32>;
  var dk: array<vec4f, 32>;
  var dv: array<vec4f, 32>;
  for (var e = 0u; e < QUADS; e++) {
    k[e] = k_MKE[at + e];
    v[e] = v_MKE[at + e];
  }
  let queries = vec2u(inverse_M2[m]);
  for (var n = queries.x; n < queries.y; n++) {
    let range = ranges_N4[n];
    if ((m < range.x || m >= range.y) && (m < range.z || m >= range.w)) {
      continue;
    }
    for (var h = first_head; h < first_head + group_heads; h++) {
      let nh = n * params.heads + h;
      let q_at = nh * QUADS;
      var score = vec4f();
      var dp = vec4f();
      for (var e = 0u; e < QUADS; e++) {
        score += q_NHE[q_at + e] * k[e];
        dp += dout_NHE[q_at + e] * v[e];
      }
      let stats = stats_NH[nh];
      let p = exp((score.x + score.y + score.z + score.w) * params.scale - stats.x);
      let dscore = p * (dp.x + dp.y + dp.z + dp.w - stats.y) * params.scale;
      for (var e = 0u; e < QUADS; e++) {
        dk[e] += dscore * q_NHE[q_at + e];
        dv[e] += p * dout_NHE[q_at + e];
      }
    }
  }
  for (var e = 0u; e < QUADS; e++) {
    dk_MKE[at + e] = dk[e];
    dv_MKE[at + e] = dv[e];
  }
}

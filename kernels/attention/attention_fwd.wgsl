// Softmax attention of every query row over two ranges of key rows, for grouped heads:
//   out[n, h] = sum_m p[m] * v[m, g], p = softmax_m(scale * q[n, h] . k[m, g]), g = h / (H / K),
//   m over [r0, r1), then [r2, r3), r = ranges[n]; lse[n, h] = log sum_m exp(scale * q[n, h] . k[m, g])
// A row without keys gives zeros.
//
// q_NHE      f32 read        [N, H * E], E a multiple of 4, at most 128
// k_MKE      f32 read        [M, K * E]
// v_MKE      f32 read        [M, K * E]
// ranges_N4  i32 read        [N, 4], rows of k and v
// out_NHE    f32 read_write  [N, H * E]
// lse_NH     f32 read_write  [N, H], for the gradient
// grid       gridFor(N * H, 64): one thread per row and head
// Online softmax in f32 (Milakov and Gimelshein, arXiv 1805.02867), one key at a time in the order of the
// ranges: deterministic, and a function of the query and its keys alone, wherever they lie. Tolerance 3e-6.
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
@group(0) @binding(5) var<storage, read_write> out_NHE: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> lse_NH: array<f32>;

@compute @workgroup_size(64)
fn attention_fwd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let nh = id.x + id.y * groups.x * 64u;
  if (nh >= params.rows * params.heads) {
    return;
  }
  let kv_head = nh % params.heads / (params.heads / params.kv_heads);
  let range = vec4u(ranges_N4[nh / params.heads]);
  let first_keys = range.y - range.x;
  let keys = first_keys + range.w - range.z;
  let q_at = nh * QUADS;
  var q: array<vec4f, 32>;
  var acc: array<vec4f, 32>;
  for (var e = 0u; e < QUADS; e++) {
    q[e] = q_NHE[q_at + e];
  }
  var high = -3.0e38; // of the scores so far; below any score
  var sum = 0.0; // of exp(score - high)
  for (var key = 0u; key < keys; key++) {
    let m = select(range.z + (key - first_keys), range.x + key, key < first_keys);
    let at = (m * params.kv_heads + kv_head) * QUADS;
    var lanes = vec4f();
    for (var e = 0u; e < QUADS; e++) {
      lanes += q[e] * k_MKE[at + e];
    }
    let score = (lanes.x + lanes.y + lanes.z + lanes.w) * params.scale;
    if (score > high) {
      let shrink = exp(high - score);
      high = score;
      sum *= shrink;
      for (var e = 0u; e < QUADS; e++) {
        acc[e] *= shrink;
      }
    }
    let p = exp(score - high);
    sum += p;
    for (var e = 0u; e < QUADS; e++) {
      acc[e] += p * v_MKE[at + e];
    }
  }
  let inverse = select(0.0, 1.0 / sum, keys > 0u);
  for (var e = 0u; e < QUADS; e++) {
    out_NHE[q_at + e] = acc[e] * inverse;
  }
  lse_NH[nh] = select(0.0, high + log(sum), keys > 0u);
}

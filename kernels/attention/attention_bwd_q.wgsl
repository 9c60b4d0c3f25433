// dq[n, h] = scale * sum_m p[m] * (dout[n, h] . v[m, g] - delta[n, h]) * k[m, g],
//   p[m] = exp(scale * q[n, h] . k[m, g] - lse[n, h]), g = h / (H / K), m over the ranges of row n
//
// q_NHE      f32 read        [N, H * E], E a multiple of 4
// k_MKE      f32 read        [M, K * E]
// v_MKE      f32 read        [M, K * E]
// ranges_N4  i32 read        [N, 4], rows of k and v
// dout_NHE   f32 read        [N, H * E]
// stats_NH   f32 read        [N, H] pairs: lse and delta = dout . out
// dq_NHE     f32 read_write  [N, H * E]
// grid       gridFor(N * H / (PAIR ? 2 : 1) * ceil(E / 32), WORKGROUP): one thread per row, head (or two heads of one
//            key head, which then share its loads) and slice of 32 values of the head
// Accumulates in f32 in the order of the keys: deterministic. Tolerance 5e-6.
// A thread keeps 32 values in two 4 x 4 matrices, as drivers for CPUs keep indexed arrays in memory, and reads
// what a longer head has beyond from memory.
override WORKGROUP: u32 = 64u;
override QUADS: u32 = 8u; // E / 4
override PAIR: bool = false; // only where H / K is even

struct Params {
  rows: u32, // N
  heads: u32, // H
  kv_heads: u32, // K
  quads: u32, // as QUADS, but unknown to compilers, which would unroll long loops
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

// Quad e of a head of less than 32 values; past its end the last one.
fn clamped(e: u32) -> u32 {
  return min(e, QUADS - 1u);
}

// Quads e to e + 3 of a query, with zeros past the end of a short head.
fn load_q(at: u32, e: u32) -> mat4x4f {
  return mat4x4f(
    q_NHE[at + clamped(e)] * f32(e < QUADS),
    q_NHE[at + clamped(e + 1u)] * f32(e + 1u < QUADS),
    q_NHE[at + clamped(e + 2u)] * f32(e + 2u < QUADS),
    q_NHE[at + clamped(e + 3u)] * f32(e + 3u < QUADS),
  );
}

fn load_dout(at: u32, e: u32) -> mat4x4f {
  return mat4x4f(
    dout_NHE[at + clamped(e)] * f32(e < QUADS),
    dout_NHE[at + clamped(e + 1u)] * f32(e + 1u < QUADS),
    dout_NHE[at + clamped(e + 2u)] * f32(e + 2u < QUADS),
    dout_NHE[at + clamped(e + 3u)] * f32(e + 3u < QUADS),
  );
}

fn load_k(at: u32, e: u32) -> mat4x4f {
  return mat4x4f(
    k_MKE[at + clamped(e)],
    k_MKE[at + clamped(e + 1u)],
    k_MKE[at + clamped(e + 2u)],
    k_MKE[at + clamped(e + 3u)],
  );
}

fn load_v(at: u32, e: u32) -> mat4x4f {
  return mat4x4f(
    v_MKE[at + clamped(e)],
    v_MKE[at + clamped(e + 1u)],
    v_MKE[at + clamped(e + 2u)],
    v_MKE[at + clamped(e + 3u)],
  );
}

// Two rows' quads multiplied lane by lane.
fn products(a: mat4x4f, b: mat4x4f) -> vec4f {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}

// The derivative by one score, times scale, from the lanes of the two products.
fn score_gradient(score: vec4f, dp: vec4f, stats: vec2f) -> f32 {
  let p = exp((score.x + score.y + score.z + score.w) * params.scale - stats.x);
  return p * (dp.x + dp.y + dp.z + dp.w - stats.y) * params.scale;
}

// Stores quads own to QUADS of what starts at quad `start`.
fn store(at: u32, start: u32, own: u32, values: mat4x4f) {
  for (var j = 0u; j < 4u; j++) {
    if (start + j >= own && start + j < QUADS) {
      dq_NHE[at + start + j] = values[j];
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn attention_bwd_q(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * WORKGROUP;
  let heads_each = select(1u, 2u, PAIR);
  let slices = (QUADS + 7u) / 8u;
  if (i >= params.rows * params.heads / heads_each * slices) {
    return;
  }
  // The last slice reaches back to be whole, and leaves what it shares to the one before.
  let own = i % slices * 8u;
  let start = min(own, max(QUADS, 8u) - 8u);
  let nh = i / slices * heads_each;
  let kv_head = nh % params.heads / (params.heads / params.kv_heads);
  let range = vec4u(ranges_N4[nh / params.heads]);
  let first_keys = range.y - range.x;
  let keys = first_keys + range.w - range.z;
  let q_at = nh * QUADS;
  let q_low = load_q(q_at, 0u);
  let q_upper = load_q(q_at, 4u);
  let dout_low = load_dout(q_at, 0u);
  let dout_upper = load_dout(q_at, 4u);
  let stats = stats_NH[nh];
  let next_at = q_at + select(0u, QUADS, PAIR);
  let next_q_low = load_q(next_at, 0u);
  let next_q_upper = load_q(next_at, 4u);
  let next_dout_low = load_dout(next_at, 0u);
  let next_dout_upper = load_dout(next_at, 4u);
  let next_stats = stats_NH[nh + select(0u, 1u, PAIR)];
  var low = mat4x4f();
  var upper = mat4x4f();
  var next_low = mat4x4f();
  var next_upper = mat4x4f();
  for (var key = 0u; key < keys; key++) {
    let m = select(range.z + (key - first_keys), range.x + key, key < first_keys);
    let at = (m * params.kv_heads + kv_head) * QUADS;
    var k_low = load_k(at, 0u);
    let v_low = load_v(at, 0u);
    var score = products(q_low, k_low);
    var dp = products(dout_low, v_low);
    var next_score = vec4f();
    var next_dp = vec4f();
    if (PAIR) {
      next_score = products(next_q_low, k_low);
      next_dp = products(next_dout_low, v_low);
    }
    var k_upper = mat4x4f();
    if (QUADS > 4u) {
      k_upper = load_k(at, 4u);
      let v_upper = load_v(at, 4u);
      score += products(q_upper, k_upper);
      dp += products(dout_upper, v_upper);
      if (PAIR) {
        next_score += products(next_q_upper, k_upper);
        next_dp += products(next_dout_upper, v_upper);
      }
    }
    if (QUADS > 8u) {
      for (var e = 8u; e < params.quads; e++) {
        let k = k_MKE[at + e];
        let v = v_MKE[at + e];
        score += q_NHE[q_at + e] * k;
        dp += dout_NHE[q_at + e] * v;
        if (PAIR) {
          next_score += q_NHE[next_at + e] * k;
          next_dp += dout_NHE[next_at + e] * v;
        }
      }
      k_low = load_k(at + start, 0u);
      k_upper = load_k(at + start, 4u);
    }
    let dscore = score_gradient(score, dp, stats);
    low += dscore * k_low;
    upper += dscore * k_upper;
    if (PAIR) {
      let next_dscore = score_gradient(next_score, next_dp, next_stats);
      next_low += next_dscore * k_low;
      next_upper += next_dscore * k_upper;
    }
  }
  store(q_at, start, own, low);
  store(q_at, start + 4u, own, upper);
  if (PAIR) {
    store(next_at, start, own, next_low);
    store(next_at, start + 4u, own, next_upper);
  }
}

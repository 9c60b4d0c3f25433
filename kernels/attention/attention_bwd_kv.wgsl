// dv[m, g] = sum_nh p * dout[n, h]
// dk[m, g] = scale * sum_nh p * (dout[n, h] . v[m, g] - delta[n, h]) * q[n, h]
//   p = exp(scale * q[n, h] . k[m, g] - lse[n, h]), over the query rows n in [i0, i1), i = inverse[m], whose
//   ranges hold m, and the heads h of group g
//
// q_NHE       f32 read        [N, H * E], E a multiple of 4
// k_MKE       f32 read        [M, K * E]
// v_MKE       f32 read        [M, K * E]
// ranges_N4   i32 read        [N, 4], rows of k and v
// inverse_M2  i32 read        [M, 2], rows of q
// dout_NHE    f32 read        [N, H * E]
// stats_NH    f32 read        [N, H] pairs: lse and delta = dout . out
// dkv_M2KE    f32 read_write  [M, 2, K * E]: dk and dv of a row side by side, as WebGPU promises 8 storage
//                             buffers and no more
// grid        gridFor(M * K * ceil(E / 32), 64): one thread per key row, key head and slice of 32 values of it
// Accumulates in f32 in the order of n, then h: deterministic. Tolerance 5e-6.
// A thread keeps 32 values in two 4 x 4 matrices, as drivers for CPUs keep indexed arrays in memory, and reads
// what a longer head has beyond from memory.
override QUADS: u32 = 8u; // E / 4

struct Params {
  rows: u32, // M
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
@group(0) @binding(5) var<storage, read> inverse_M2: array<vec2i>;
@group(0) @binding(6) var<storage, read> dout_NHE: array<vec4f>;
@group(0) @binding(7) var<storage, read> stats_NH: array<vec2f>;
@group(0) @binding(8) var<storage, read_write> dkv_M2KE: array<vec4f>;

// Quad e of a head of less than 32 values; past its end the last one.
fn clamped(e: u32) -> u32 {
  return min(e, QUADS - 1u);
}

fn load_q(at: u32, e: u32) -> mat4x4f {
  return mat4x4f(
    q_NHE[at + clamped(e)],
    q_NHE[at + clamped(e + 1u)],
    q_NHE[at + clamped(e + 2u)],
    q_NHE[at + clamped(e + 3u)],
  );
}

fn load_dout(at: u32, e: u32) -> mat4x4f {
  return mat4x4f(
    dout_NHE[at + clamped(e)],
    dout_NHE[at + clamped(e + 1u)],
    dout_NHE[at + clamped(e + 2u)],
    dout_NHE[at + clamped(e + 3u)],
  );
}

// Quads e to e + 3 of a key, with zeros past the end of a short head.
fn load_k(at: u32, e: u32) -> mat4x4f {
  return mat4x4f(
    k_MKE[at + clamped(e)] * f32(e < QUADS),
    k_MKE[at + clamped(e + 1u)] * f32(e + 1u < QUADS),
    k_MKE[at + clamped(e + 2u)] * f32(e + 2u < QUADS),
    k_MKE[at + clamped(e + 3u)] * f32(e + 3u < QUADS),
  );
}

fn load_v(at: u32, e: u32) -> mat4x4f {
  return mat4x4f(
    v_MKE[at + clamped(e)] * f32(e < QUADS),
    v_MKE[at + clamped(e + 1u)] * f32(e + 1u < QUADS),
    v_MKE[at + clamped(e + 2u)] * f32(e + 2u < QUADS),
    v_MKE[at + clamped(e + 3u)] * f32(e + 3u < QUADS),
  );
}

// Two rows' quads multiplied lane by lane.
fn products(a: mat4x4f, b: mat4x4f) -> vec4f {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}

// Stores quads own to QUADS of what starts at quad `start` of head g in row m.
fn store(m: u32, g: u32, start: u32, own: u32, dk: mat4x4f, dv: mat4x4f) {
  let width = params.kv_heads * QUADS;
  let at = m * 2u * width + g * QUADS;
  for (var j = 0u; j < 4u; j++) {
    if (start + j >= own && start + j < QUADS) {
      dkv_M2KE[at + start + j] = dk[j];
      dkv_M2KE[at + width + start + j] = dv[j];
    }
  }
}

@compute @workgroup_size(64)
fn attention_bwd_kv(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  let slices = (QUADS + 7u) / 8u;
  if (i >= params.rows * params.kv_heads * slices) {
    return;
  }
  // The last slice reaches back to be whole, and leaves what it shares to the one before.
  let own = i % slices * 8u;
  let start = min(own, max(QUADS, 8u) - 8u);
  let gm = i / slices;
  let m = i32(gm % params.rows);
  let kv_head = gm / params.rows;
  let group_heads = params.heads / params.kv_heads;
  let first_head = kv_head * group_heads;
  let at = (u32(m) * params.kv_heads + kv_head) * QUADS;
  let k_low = load_k(at, 0u);
  let k_upper = load_k(at, 4u);
  let v_low = load_v(at, 0u);
  let v_upper = load_v(at, 4u);
  var dk_low = mat4x4f();
  var dk_upper = mat4x4f();
  var dv_low = mat4x4f();
  var dv_upper = mat4x4f();
  let queries = vec2u(inverse_M2[m]);
  // One loop without branches over rows and heads: software drivers pay for masks, not for products.
  for (var j = 0u; j < (queries.y - queries.x) * group_heads; j++) {
    let n = queries.x + j / group_heads;
    let nh = n * params.heads + first_head + j % group_heads;
    let q_at = nh * QUADS;
    var q_low = load_q(q_at, 0u);
    var q_upper = load_q(q_at, 4u);
    var dout_low = load_dout(q_at, 0u);
    var dout_upper = load_dout(q_at, 4u);
    var score = products(q_low, k_low) + products(q_upper, k_upper);
    var dp = products(dout_low, v_low) + products(dout_upper, v_upper);
    if (QUADS > 8u) {
      for (var e = 8u; e < params.quads; e++) {
        score += q_NHE[q_at + e] * k_MKE[at + e];
        dp += dout_NHE[q_at + e] * v_MKE[at + e];
      }
      q_low = load_q(q_at + start, 0u);
      q_upper = load_q(q_at + start, 4u);
      dout_low = load_dout(q_at + start, 0u);
      dout_upper = load_dout(q_at + start, 4u);
    }
    let range = ranges_N4[n];
    let seen = (m >= range.x && m < range.y) || (m >= range.z && m < range.w);
    let stats = stats_NH[nh];
    let p = select(0.0, exp((score.x + score.y + score.z + score.w) * params.scale - stats.x), seen);
    let dscore = p * (dp.x + dp.y + dp.z + dp.w - stats.y) * params.scale;
    dk_low += dscore * q_low;
    dv_low += p * dout_low;
    dk_upper += dscore * q_upper;
    dv_upper += p * dout_upper;
  }
  store(u32(m), kv_head, start, own, dk_low, dv_low);
  store(u32(m), kv_head, start + 4u, own, dk_upper, dv_upper);
}

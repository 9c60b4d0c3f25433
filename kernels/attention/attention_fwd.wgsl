// Softmax attention of every query row over two ranges of key rows, for grouped heads:
//   out[n, h] = sum_m p[m] * v[m, g], p = softmax_m(scale * q[n, h] . k[m, g]), g = h / (H / K),
//   m over [r0, r1), then [r2, r3), r = ranges[n]; lse[n, h] = log sum_m exp(scale * q[n, h] . k[m, g])
// A row without keys gives zeros.
//
// q_NHE      f32 read        [N, H * E], E a multiple of 4
// k_MKE      f32 read        [M, K * E]
// v_MKE      f32 read        [M, K * E]
// ranges_N4  i32 read        [N, 4], rows of k and v
// out_NHE    f32 read_write  [N, H * E]
// lse_NH     f32 read_write  [N, H], for the gradient
// grid       gridFor(N * H / (PAIR ? 2 : 1) * ceil(E / 32), WORKGROUP): one thread per row, head (or two heads of one
//            key head, which then share its loads) and slice of 32 values of the head
// Online softmax in f32 (Milakov and Gimelshein, arXiv 1805.02867), one key at a time in the order of the
// ranges: deterministic, and a function of the query and its keys alone, wherever they lie. Tolerance 3e-6.
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
@group(0) @binding(5) var<storage, read_write> out_NHE: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> lse_NH: array<f32>;

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

// A query's quads with a key's, lane by lane.
fn products(a: mat4x4f, b: mat4x4f) -> vec4f {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}

// The softmax of one head so far.
struct Head {
  low: mat4x4f, // weighted values
  upper: mat4x4f,
  high: f32, // of the scores
  sum: f32, // of exp(score - high)
}

fn absorb(head: ptr<function, Head>, lanes: vec4f, v_low: mat4x4f, v_upper: mat4x4f) {
  let score = (lanes.x + lanes.y + lanes.z + lanes.w) * params.scale;
  // One exponential, of the lower of score and high by the higher: a branch would cost more than the products.
  let rise = score - (*head).high;
  let ratio = exp(-abs(rise));
  let shrink = select(1.0, ratio, rise > 0.0);
  let p = select(ratio, 1.0, rise > 0.0);
  (*head).high = max((*head).high, score);
  (*head).sum = (*head).sum * shrink + p;
  (*head).low = (*head).low * shrink + p * v_low;
  if (QUADS > 4u) {
    (*head).upper = (*head).upper * shrink + p * v_upper;
  }
}

// Stores quads own to QUADS of what starts at quad `start`.
fn store(at: u32, start: u32, own: u32, values: mat4x4f) {
  for (var j = 0u; j < 4u; j++) {
    if (start + j >= own && start + j < QUADS) {
      out_NHE[at + start + j] = values[j];
    }
  }
}

fn finish(nh: u32, start: u32, own: u32, head: Head) {
  let inverse = select(0.0, 1.0 / head.sum, head.sum > 0.0);
  store(nh * QUADS, start, own, head.low * inverse);
  if (QUADS > 4u) {
    store(nh * QUADS, start + 4u, own, head.upper * inverse);
  }
  if (own == 0u) {
    lse_NH[nh] = select(0.0, head.high + log(head.sum), head.sum > 0.0);
  }
}

@compute @workgroup_size(WORKGROUP)
fn attention_fwd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
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
  let next_at = q_at + select(0u, QUADS, PAIR);
  let next_low = load_q(next_at, 0u);
  let next_upper = load_q(next_at, 4u);
  // Zeros, and a high that is below any score.
  var head = Head(mat4x4f(), mat4x4f(), -3.0e38, 0.0);
  var next = head;
  for (var key = 0u; key < keys; key++) {
    let m = select(range.z + (key - first_keys), range.x + key, key < first_keys);
    let at = (m * params.kv_heads + kv_head) * QUADS;
    let k_low = load_k(at, 0u);
    var lanes = products(q_low, k_low);
    var next_lanes = vec4f();
    if (PAIR) {
      next_lanes = products(next_low, k_low);
    }
    if (QUADS > 4u) {
      let k_upper = load_k(at, 4u);
      lanes += products(q_upper, k_upper);
      if (PAIR) {
        next_lanes += products(next_upper, k_upper);
      }
    }
    if (QUADS > 8u) {
      for (var e = 8u; e < params.quads; e++) {
        let k = k_MKE[at + e];
        lanes += q_NHE[q_at + e] * k;
        if (PAIR) {
          next_lanes += q_NHE[next_at + e] * k;
        }
      }
    }
    let v_low = load_v(at + start, 0u);
    let v_upper = load_v(at + start, 4u);
    absorb(&head, lanes, v_low, v_upper);
    if (PAIR) {
      absorb(&next, next_lanes, v_low, v_upper);
    }
  }
  finish(nh, start, own, head);
  if (PAIR) {
    finish(nh + 1u, start, own, next);
  }
}

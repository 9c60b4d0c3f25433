// Softmax attention as in attention_fwd, on GPUs: a workgroup for a row and the query heads of a key head, which
// read its keys and values once, and where those workgroups are few, for a piece of the row's keys.
//   out[n, h] = sum_m p[m] * v[m, g], p = softmax_m(scale * q[n, h] . k[m, g]), g = h / (H / K),
//   m over [r0, r1), then [r2, r3), r = ranges[n]; lse[n, h] = log sum_m exp(scale * q[n, h] . k[m, g])
// A row without keys gives zeros.
//
// q_NHE      f32 read        [N, H * E], E a multiple of 4, at most 256
// k_MKE      f32 read        [M, K * E]
// v_MKE      f32 read        [M, K * E]
// ranges_N4  i32 read        [N, 4], rows of k and v
// out_PNHE   f32 read_write  [P, N, H * E]: with one piece out; else of every piece that has keys the values weighted
//            with exp(score - high), for attention_merge
// stats_PNH  f32 read_write  with one piece [N, H]: lse; else [P, N, H, 2]: high, the highest score, and the sum of
//            exp(score - high)
// grid       x, y: N * H / each * P, folded: a workgroup of 256 threads for each
// Keys are taken in the order of the ranges, CHUNK at a time: every chunk is summed in f32 in a fixed order, and the
// chunks are added one after the other, here or in attention_merge by the same operations. So it is deterministic, and
// a function of the query and its keys alone, wherever they lie and however many pieces there are. Tolerance 3e-6.
// Sizes are parameters, so that there are two variants only: drivers for CPUs take seconds to build one. Loops over
// keys and values therefore have four loads under way by hand.
override UPPER: bool = true; // more than four query heads to a workgroup
override CHUNK: u32 = 128u; // a multiple of TILE

const THREADS = 256u;
const TILE = 64u; // keys at a time
const LANES = 4u; // threads that share the products of a key
const STRIDE = 64u; // quads of four heads in `query`, without UPPER
const STRIP = 8u; // keys that one thread takes to a maximum or a sum
const STRIPS = 8u; // TILE / STRIP
const OWNERS = 64u; // threads that own values of the same heads
const LOWEST = -3.0e38; // below any score

struct Params {
  rows: u32, // N
  heads: u32, // H
  kv_heads: u32, // K
  each: u32, // query heads of a workgroup: a divisor of H / K, at most 8
  quads: u32, // E / 4: at most 32 with UPPER, 64 without
  pieces: u32, // P: 1, or enough for the longest row, a chunk each
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q_NHE: array<vec4f>;
@group(0) @binding(2) var<storage, read> k_MKE: array<vec4f>;
@group(0) @binding(3) var<storage, read> v_MKE: array<vec4f>;
@group(0) @binding(4) var<storage, read> ranges_N4: array<vec4i>;
@group(0) @binding(5) var<storage, read_write> out_PNHE: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> stats_PNH: array<f32>;

// The four lanes of a vector are four heads, but for keys and values, where they are four values of a head. Heads 0 to
// 3 come first, then (with an offset) heads 4 to 7.
var<workgroup> query: array<vec4f, 256>; // by heads, value of a quad, quad
var<workgroup> partial: array<vec4f, 512>; // by heads, thread
var<workgroup> weights: array<vec4f, 128>; // by heads, key of the tile: scores, then exp(score - peak), then sums
var<workgroup> strips: array<vec4f, 16>; // by heads, strip of keys
var<workgroup> peaks: array<vec4f, 2>; // by heads: the highest score of the chunk
var<workgroup> shrinks: array<vec4f, 2>; // by heads: what earlier tiles of the chunk are multiplied with

// A quad of four query heads from `head` on, transposed; zeros past the heads of the workgroup, and past their end.
fn load_query(at: u32, head: u32, quad: u32) -> mat4x4f {
  var quads = mat4x4f();
  for (var j = 0u; j < 4u; j++) {
    if (head + j < params.each && quad < params.quads) {
      quads[j] = q_NHE[at + (head + j) * params.quads + quad];
    }
  }
  return transpose(quads);
}

// Every LANES-th quad of a key from e on; past its end the last one.
fn load_key(at: u32, e: u32) -> mat4x4f {
  let last = params.quads - 1u;
  return mat4x4f(
    k_MKE[at + min(e, last)],
    k_MKE[at + min(e + LANES, last)],
    k_MKE[at + min(e + 2u * LANES, last)],
    k_MKE[at + min(e + 3u * LANES, last)],
  );
}

// The products of four heads with a key's quad; `at` is where the quad lies in `query`.
fn products(at: u32, k: vec4f) -> vec4f {
  let stride = select(STRIDE, STRIDE / 2u, UPPER);
  return query[at] * k.x
    + query[at + stride] * k.y
    + query[at + 2u * stride] * k.z
    + query[at + 3u * stride] * k.w;
}

fn products_of_four(at: u32, k: mat4x4f) -> vec4f {
  return products(at, k[0])
    + products(at + LANES, k[1])
    + products(at + 2u * LANES, k[2])
    + products(at + 3u * LANES, k[3]);
}

// The row of a query's key.
fn row_of(range: vec4u, key: u32) -> u32 {
  let first_keys = range.y - range.x;
  return select(range.z + (key - first_keys), range.x + key, key < first_keys);
}

// Each column (a head) times its lane of `factors`.
fn scaled(values: mat4x4f, factors: vec4f) -> mat4x4f {
  return mat4x4f(
    values[0] * factors.x,
    values[1] * factors.y,
    values[2] * factors.z,
    values[3] * factors.w,
  );
}

fn outer(v: vec4f, p: vec4f) -> mat4x4f {
  return scaled(mat4x4f(v, v, v, v), p);
}

@compute @workgroup_size(THREADS)
fn attention_fwd_split(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) t: u32,
) {
  // Rows next to each other, as they often share their keys.
  let i = group.x + group.y * groups.x;
  let quads = params.quads;
  let parts = params.heads / params.each;
  if (i >= params.rows * parts * params.pieces) {
    return;
  }
  let n = i % params.rows;
  let first_head = i / params.rows % parts * params.each;
  let piece = i / params.rows / parts;
  let range = vec4u(ranges_N4[n]);
  let keys = range.y - range.x + range.w - range.z;
  let whole = params.pieces == 1u;
  let begin = piece * CHUNK;
  let end = select(min(begin + CHUNK, keys), keys, whole);
  if (!whole && begin >= keys) {
    return;
  }
  let kv_head = first_head / (params.heads / params.kv_heads);
  let halves = select(1u, 2u, UPPER);
  let nh = n * params.heads + first_head;
  if (t < STRIDE) {
    let stride = STRIDE / halves;
    let columns = load_query(nh * quads, t / stride * 4u, t % stride);
    for (var j = 0u; j < 4u; j++) {
      query[(t / stride * 4u + j) * stride + t % stride] = columns[j];
    }
  }
  workgroupBarrier();

  let value_quad = t % quads;
  let value_lane = t / quads;
  let value_lanes = min(16u, 1u << firstLeadingBit(THREADS / quads));
  let owner_heads = t % OWNERS / quads;
  let owner_lane = t / OWNERS;
  let head = owner_heads * 4u + owner_lane;
  let owns = head < params.each && owner_heads < halves;
  // Of the quad that the thread owns, over all chunks.
  var total = vec4f();
  var total_high = LOWEST;
  var total_sum = 0.0;

  for (var start = begin; start < end; start += CHUNK) {
    let stop = min(start + CHUNK, end);
    var peak = vec4f(LOWEST);
    var sums = vec4f();
    var low = mat4x4f();
    var upper = mat4x4f();
    for (var tile = start; tile < stop; tile += TILE) {
      // Products: a quarter of a key to a thread.
      var lanes_low = vec4f();
      var lanes_upper = vec4f();
      let key_row = row_of(range, min(tile + t / LANES, stop - 1u));
      let key_at = (key_row * params.kv_heads + kv_head) * quads;
      for (var e = t % LANES; e < quads; e += 4u * LANES) {
        let k = load_key(key_at, e);
        lanes_low += products_of_four(e, k);
        if (UPPER) {
          lanes_upper += products_of_four(2u * STRIDE + e, k);
        }
      }
      partial[t] = lanes_low;
      if (UPPER) {
        partial[THREADS + t] = lanes_upper;
      }
      workgroupBarrier();

      // Softmax: four heads of a key to a thread.
      let scores = t < TILE * halves;
      var score = vec4f(LOWEST);
      if (scores) {
        if (tile + t % TILE < stop) {
          score = (partial[4u * t] + partial[4u * t + 1u] + partial[4u * t + 2u] + partial[4u * t + 3u])
            * params.scale;
        }
        weights[t] = score;
      }
      workgroupBarrier();
      if (t < STRIPS * halves) {
        var high = weights[t * STRIP];
        for (var j = 1u; j < STRIP; j++) {
          high = max(high, weights[t * STRIP + j]);
        }
        strips[t] = high;
      }
      workgroupBarrier();
      if (scores) {
        let before = peak;
        for (var j = 0u; j < STRIPS; j++) {
          peak = max(peak, strips[t / TILE * STRIPS + j]);
        }
        let p = exp(score - peak);
        let shrink = exp(before - peak);
        sums = sums * shrink + p;
        weights[t] = p;
        if (t % TILE == 0u) {
          shrinks[t / TILE] = shrink;
        }
      }
      workgroupBarrier();

      // Values: a quad of every value_lanes-th key to a thread. Past the last key the weights are zeros.
      if (value_lane < value_lanes) {
        low = scaled(low, shrinks[0]);
        if (UPPER) {
          upper = scaled(upper, shrinks[1]);
        }
        for (var j = value_lane; j < min(TILE, stop - tile); j += 4u * value_lanes) {
          var v = mat4x4f();
          for (var u = 0u; u < 4u; u++) {
            let row = row_of(range, min(tile + j + u * value_lanes, stop - 1u));
            v[u] = v_MKE[(row * params.kv_heads + kv_head) * quads + value_quad];
          }
          for (var u = 0u; u < 4u; u++) {
            low += outer(v[u], weights[j + u * value_lanes]);
            if (UPPER) {
              upper += outer(v[u], weights[TILE + j + u * value_lanes]);
            }
          }
        }
      }
    }

    // The threads' sums, added up by those who own the result.
    workgroupBarrier();
    if (t < TILE * halves) {
      weights[t] = sums;
      if (t % TILE == 0u) {
        peaks[t / TILE] = peak;
      }
    }
    workgroupBarrier();
    if (t < STRIPS * halves) {
      var sum = weights[t * STRIP];
      for (var j = 1u; j < STRIP; j++) {
        sum += weights[t * STRIP + j];
      }
      strips[t] = sum;
    }
    var value = vec4f();
    for (var lane = 0u; lane < 4u; lane++) {
      partial[t] = low[lane];
      if (UPPER) {
        partial[THREADS + t] = upper[lane];
      }
      workgroupBarrier();
      if (owns && owner_lane == lane) {
        for (var j = 0u; j < value_lanes; j++) {
          value += partial[owner_heads * THREADS + j * quads + t % OWNERS % quads];
        }
      }
      workgroupBarrier();
    }

    // As in attention_merge.
    if (owns) {
      var sum = 0.0;
      for (var j = 0u; j < STRIPS; j++) {
        sum += strips[owner_heads * STRIPS + j][owner_lane];
      }
      let high = peaks[owner_heads][owner_lane];
      let top = max(total_high, high);
      let shrink = exp(total_high - top);
      let weight = exp(high - top);
      total = fma(total, vec4f(shrink), value * weight);
      total_sum = fma(total_sum, shrink, sum * weight);
      total_high = top;
    }
  }

  if (owns) {
    let at = piece * params.rows * params.heads + nh + head;
    let quad = t % OWNERS % quads;
    if (whole) {
      out_PNHE[at * quads + quad] = total * select(0.0, 1.0 / total_sum, total_sum > 0.0);
      if (quad == 0u) {
        stats_PNH[at] = select(0.0, total_high + log(total_sum), total_sum > 0.0);
      }
    } else {
      out_PNHE[at * quads + quad] = total;
      if (quad == 0u) {
        stats_PNH[2u * at] = total_high;
        stats_PNH[2u * at + 1u] = total_sum;
      }
    }
  }
}

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
// grid       x, y: N * H / HEADS * P, folded: a workgroup of 256 threads each
// Keys are taken in the order of the ranges, CHUNK at a time: every chunk is summed in f32 in a fixed order, and the
// chunks are added one after the other, here or in attention_merge by the same operations. So it is deterministic, and
// a function of the query and its keys alone, wherever they lie and however many pieces there are. Tolerance 3e-6.
override QUADS: u32 = 8u; // E / 4
override HEADS: u32 = 2u; // a divisor of H / K, at most 8; with QUADS > 32 at most 4
override CHUNK: u32 = 128u; // a multiple of TILE

const THREADS = 256u;
const TILE = 64u; // keys at a time
const LANES = 4u; // threads that share the products of a key
const STRIP = 8u; // keys that one thread takes to a maximum or a sum
const STRIPS = 8u; // TILE / STRIP
const OWNERS = 64u; // threads that own values of the same heads
const LOWEST = -3.0e38; // below any score

struct Params {
  rows: u32, // N
  heads: u32, // H
  kv_heads: u32, // K
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

// A quad of four query heads from `head` on, transposed; zeros past the workgroup's heads.
fn load_query(at: u32, head: u32, quad: u32) -> mat4x4f {
  var quads = mat4x4f();
  for (var j = 0u; j < 4u; j++) {
    if (head + j < HEADS) {
      quads[j] = q_NHE[at + (head + j) * QUADS + quad];
    }
  }
  return transpose(quads);
}

// The products of four heads with a key's quad e.
fn products(heads: u32, e: u32, k: vec4f) -> vec4f {
  let at = heads * 4u * QUADS + e;
  return query[at] * k.x
    + query[at + QUADS] * k.y
    + query[at + 2u * QUADS] * k.z
    + query[at + 3u * QUADS] * k.w;
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
  let parts = params.heads / HEADS;
  if (i >= params.rows * parts * params.pieces) {
    return;
  }
  let n = i % params.rows;
  let first_head = i / params.rows % parts * HEADS;
  let piece = i / params.rows / parts;
  let range = vec4u(ranges_N4[n]);
  let first_keys = range.y - range.x;
  let keys = first_keys + range.w - range.z;
  let whole = params.pieces == 1u;
  let begin = piece * CHUNK;
  let end = select(min(begin + CHUNK, keys), keys, whole);
  if (!whole && begin >= keys) {
    return;
  }
  let kv_head = first_head / (params.heads / params.kv_heads);
  let head_quads = (HEADS + 3u) / 4u;
  let nh = n * params.heads + first_head;
  if (t < head_quads * QUADS) {
    let quads = load_query(nh * QUADS, t / QUADS * 4u, t % QUADS);
    for (var j = 0u; j < 4u; j++) {
      query[(t / QUADS * 4u + j) * QUADS + t % QUADS] = quads[j];
    }
  }
  workgroupBarrier();

  let value_quad = t % QUADS;
  let value_lane = t / QUADS;
  let value_lanes = min(16u, 1u << firstLeadingBit(THREADS / QUADS));
  let owner_heads = t % OWNERS / QUADS;
  let owner_lane = t / OWNERS;
  let head = owner_heads * 4u + owner_lane;
  let owns = head < HEADS && owner_heads < head_quads;
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
      {
        let key = min(tile + t / LANES, stop - 1u);
        let m = select(range.z + (key - first_keys), range.x + key, key < first_keys);
        let at = (m * params.kv_heads + kv_head) * QUADS;
        for (var j = 0u; j < QUADS; j += LANES) {
          let e = j + t % LANES;
          if (e < QUADS) {
            let k = k_MKE[at + e];
            lanes_low += products(0u, e, k);
            if (HEADS > 4u) {
              lanes_upper += products(1u, e, k);
            }
          }
        }
      }
      partial[t] = lanes_low;
      partial[THREADS + t] = lanes_upper;
      workgroupBarrier();

      // Softmax: four heads of a key to a thread.
      let scores = t < TILE * head_quads;
      var score = vec4f(LOWEST);
      if (scores) {
        if (tile + t % TILE < stop) {
          score = (partial[4u * t] + partial[4u * t + 1u] + partial[4u * t + 2u] + partial[4u * t + 3u])
            * params.scale;
        }
        weights[t] = score;
      }
      workgroupBarrier();
      if (t < STRIPS * head_quads) {
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
        if (HEADS > 4u) {
          upper = scaled(upper, shrinks[1]);
        }
        for (var j = 0u; j < TILE; j += value_lanes) {
          let key = min(tile + j + value_lane, stop - 1u);
          let m = select(range.z + (key - first_keys), range.x + key, key < first_keys);
          let v = v_MKE[(m * params.kv_heads + kv_head) * QUADS + value_quad];
          low += outer(v, weights[j + value_lane]);
          if (HEADS > 4u) {
            upper += outer(v, weights[TILE + j + value_lane]);
          }
        }
      }
    }

    // The threads' sums, added up by those who own the result.
    workgroupBarrier();
    if (t < TILE * head_quads) {
      weights[t] = sums;
      if (t % TILE == 0u) {
        peaks[t / TILE] = peak;
      }
    }
    workgroupBarrier();
    if (t < STRIPS * head_quads) {
      var sum = weights[t * STRIP];
      for (var j = 1u; j < STRIP; j++) {
        sum += weights[t * STRIP + j];
      }
      strips[t] = sum;
    }
    var value = vec4f();
    for (var lane = 0u; lane < 4u; lane++) {
      partial[t] = low[lane];
      partial[THREADS + t] = upper[lane];
      workgroupBarrier();
      if (owns && owner_lane == lane) {
        for (var j = 0u; j < value_lanes; j++) {
          value += partial[owner_heads * THREADS + j * QUADS + t % OWNERS % QUADS];
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
    let quad = t % OWNERS % QUADS;
    if (whole) {
      out_PNHE[at * QUADS + quad] = total * select(0.0, 1.0 / total_sum, total_sum > 0.0);
      if (quad == 0u) {
        stats_PNH[at] = select(0.0, total_high + log(total_sum), total_sum > 0.0);
      }
    } else {
      out_PNHE[at * QUADS + quad] = total;
      if (quad == 0u) {
        stats_PNH[2u * at] = total_high;
        stats_PNH[2u * at + 1u] = total_sum;
      }
    }
  }
}

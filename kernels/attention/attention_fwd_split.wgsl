// Softmax attention as in attention_fwd, on GPUs: a workgroup for a row and the query heads of a key head, which
// read its keys and values once, and where those workgroups are few, for a piece of the row's keys.
//   out[n, h] = sum_m p[m] * v[m, g], p = softmax_m(scale * q[n, h] . k[m, g]), g = h / (H / K),
//   m over [r0, r1), then [r2, r3), r = ranges[n]; lse[n, h] = log sum_m exp(scale * q[n, h] . k[m, g])
// A row without keys gives zeros.
//
// q_NHE      f32 read        [N, H * E], E a multiple of 4, at most 128
// k_MKE      f32 read        [M, K * E]
// v_MKE      f32 read        [M, K * E]
// ranges_N4  i32 read        [N, 4], rows of k and v
// out_PNHE   f32 read_write  [P, N, H * E]: with one piece out; else of every piece that has keys the values weighted
//            with exp(score - high), for attention_merge
// stats_PNH  f32 read_write  with one piece [N, H]: lse; else [P, N, H, 2]: high, the highest score, and the sum of
//            exp(score - high)
// grid       x, y: N * H / each * P, folded: a workgroup of 256 threads for each
// Keys are taken in the order of the ranges, counted from the first one of the row, in chunks of CHUNK and these in
// blocks of 8. A score is 8 chains of fused multiply-adds, one over every 8th quad, added in pairs. A block shrinks the
// chunk's values to its maximum and goes on with their chain, in the order of the keys; the chunks are added one after
// the other, here or in attention_merge by the same operations. So it is deterministic, and a function of the query and
// its keys alone, wherever they lie, however many pieces there are, and with the bits of attention_fwd_tile.
// Tolerance 3e-6.
// Sizes are parameters, so that there are two variants only: drivers for CPUs take seconds to build one.
override UPPER: bool = true; // more than four query heads to a workgroup
override CHUNK: u32 = 128u; // a multiple of TILE

const THREADS = 256u;
const TILE = 64u; // keys at a time
const LANES = 4u; // threads that share the products of a key
const STRIDE = 32u; // quads of four heads in `query`
const BLOCK = 8u;
const BLOCKS = 8u; // TILE / BLOCK
const LOWEST = -3.0e38; // below any score

struct Params {
  rows: u32, // N
  heads: u32, // H
  kv_heads: u32, // K
  each: u32, // query heads of a workgroup: a divisor of H / K, at most 8
  quads: u32, // E / 4
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
var<workgroup> query: array<vec4f, 256>; // by heads, value of a quad, quad; times the scale
var<workgroup> partial: array<vec4f, 512>; // by heads, thread
var<workgroup> weights: array<vec4f, 128>; // by heads, key of the tile: scores, then exp(score - high)
var<workgroup> highs: array<vec4f, 16>; // by heads, block of the tile: the highest score

// A quad of four query heads from `head` on, transposed; zeros past the heads of the workgroup, and past their end.
fn load_query(at: u32, head: u32, quad: u32) -> mat4x4f {
  var quads = mat4x4f();
  for (var j = 0u; j < 4u; j++) {
    if (head + j < params.each && quad < params.quads) {
      quads[j] = q_NHE[at + (head + j) * params.quads + quad] * params.scale;
    }
  }
  return transpose(quads);
}

// Every LANES-th quad of a key from e on; past its end the last one, which meets zeros of the query.
fn load_key(at: u32, e: u32) -> mat4x4f {
  let last = params.quads - 1u;
  return mat4x4f(
    k_MKE[at + min(e, last)],
    k_MKE[at + min(e + LANES, last)],
    k_MKE[at + min(e + 2u * LANES, last)],
    k_MKE[at + min(e + 3u * LANES, last)],
  );
}

// The products of four heads with a key's quad, one fused multiply-add after the other; `at` is where the quad lies in
// `query`.
fn absorb(at: u32, k: vec4f, sum: vec4f) -> vec4f {
  return fma(
    query[at + 3u * STRIDE],
    vec4f(k.w),
    fma(
      query[at + 2u * STRIDE],
      vec4f(k.z),
      fma(query[at + STRIDE], vec4f(k.y), fma(query[at], vec4f(k.x), sum)),
    ),
  );
}

// The row of a query's key.
fn row_of(range: vec4u, key: u32) -> u32 {
  let first_keys = range.y - range.x;
  return select(range.z + (key - first_keys), range.x + key, key < first_keys);
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
  if (t < STRIDE * halves) {
    let columns = load_query(nh * quads, t / STRIDE * 4u, t % STRIDE);
    for (var j = 0u; j < 4u; j++) {
      query[(t / STRIDE * 4u + j) * STRIDE + t % STRIDE] = columns[j];
    }
  }
  workgroupBarrier();

  // The result that the thread owns: a quad of a head. Heads side by side, so that they share a load.
  let head = t % (4u * halves);
  let quad = t / (4u * halves);
  let owns = head < params.each && quad < quads;
  var total = vec4f();
  var total_high = LOWEST;
  var total_sum = 0.0;

  for (var start = begin; start < end; start += CHUNK) {
    let stop = min(start + CHUNK, end);
    var value = vec4f();
    var high = LOWEST;
    var sum = 0.0;
    var peak = vec4f(LOWEST); // of the tiles before, for four heads
    for (var tile = start; tile < stop; tile += TILE) {
      // Products: a quarter of a key to a thread.
      let key_row = row_of(range, min(tile + t / LANES, stop - 1u));
      let key_at = (key_row * params.kv_heads + kv_head) * quads;
      var even = mat2x4f(); // of heads 0 to 3, 4 to 7
      var odd = mat2x4f();
      for (var e = t % LANES; e < quads; e += 4u * LANES) {
        let k = load_key(key_at, e);
        for (var j = 0u; j < halves; j++) {
          let at = j * 4u * STRIDE + e;
          even[j] = absorb(at + 2u * LANES, k[2], absorb(at, k[0], even[j]));
          odd[j] = absorb(at + 3u * LANES, k[3], absorb(at + LANES, k[1], odd[j]));
        }
      }
      partial[t] = even[0] + odd[0];
      if (UPPER) {
        partial[THREADS + t] = even[1] + odd[1];
      }
      workgroupBarrier();

      // Softmax: four heads of a key to a thread.
      let scores = t < TILE * halves;
      var score = vec4f(LOWEST);
      if (scores) {
        if (tile + t % TILE < stop) {
          score = partial[4u * t] + partial[4u * t + 1u] + partial[4u * t + 2u] + partial[4u * t + 3u];
        }
        weights[t] = score;
      }
      workgroupBarrier();
      if (t < BLOCKS * halves) {
        var highest = weights[t * BLOCK];
        for (var j = 1u; j < BLOCK; j++) {
          highest = max(highest, weights[t * BLOCK + j]);
        }
        highs[t] = highest;
      }
      workgroupBarrier();
      if (scores) {
        var top = peak;
        for (var j = 0u; j < BLOCKS; j++) {
          let highest = highs[t / TILE * BLOCKS + j];
          top = select(top, max(top, highest), j <= t % TILE / BLOCK);
          peak = max(peak, highest);
        }
        weights[t] = exp(score - top);
      }
      workgroupBarrier();

      // Values. Past the last key the weights are zeros.
      if (owns) {
        for (var block = 0u; block < min(TILE, stop - tile); block += BLOCK) {
          let four = head / 4u;
          let top = max(high, highs[four * BLOCKS + block / BLOCK][head % 4u]);
          let shrink = exp(high - top);
          high = top;
          var v: array<vec4f, BLOCK>;
          for (var j = 0u; j < BLOCK; j++) {
            let row = row_of(range, min(tile + block + j, stop - 1u));
            v[j] = v_MKE[(row * params.kv_heads + kv_head) * quads + quad];
          }
          value *= shrink;
          var block_sum = 0.0;
          for (var j = 0u; j < BLOCK; j++) {
            let p = weights[four * TILE + block + j][head % 4u];
            value = fma(vec4f(p), v[j], value);
            block_sum += p;
          }
          sum = fma(sum, shrink, block_sum);
        }
      }
    }

    // As in attention_merge.
    let top = max(total_high, high);
    let shrink = exp(total_high - top);
    let weight = exp(high - top);
    total = fma(total, vec4f(shrink), value * weight);
    total_sum = fma(total_sum, shrink, sum * weight);
    total_high = top;
  }

  if (owns) {
    let at = piece * params.rows * params.heads + nh + head;
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

// As attention_fwd, for GPUs and many rows: a workgroup for 32 queries of a key head (some rows, and of each the query
// heads), which reads their keys and values once.
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
// grid       x, y: ceil(N / row_count) * H / each, folded: a workgroup of 128 threads for each
// Rows that differ in r3 only, such as those of a response, have their keys at the same places and go together, as a
// run; a workgroup takes one run after the other. Keys are taken in the blocks and chunks of attention_fwd_split and by
// the same operations, so that a row has the bits that it has there: deterministic, and a function of the query and its
// keys alone, while the others of its last block, which have weight zero, are finite. Tolerance 3e-6.
// At E = 128 a block of 8 keys is 8 KiB from L2 for 128 Ki flops: 16 flops a byte, where a row by itself has 4 (with 8
// query heads to a key head; 0.5 with one). A thread has two queries, reads 16 bytes of workgroup memory for 8 fused
// multiply-adds and keeps 96 values in registers; the workgroup has 14.4 KiB of memory. Loops over the keys of a block
// have bounds unknown to compilers: drivers for CPUs would unroll them, and take a minute to build.
override SLOTS: u32 = 4u; // quads of a head to a thread: E / 4 / LANES, rounded up
override CHUNK: u32 = 128u; // as in attention_fwd_split

const THREADS = 128u;
const QUERIES = 32u;
const LANES = 8u; // threads that share a query: each has every LANES-th quad
const PAIRS = 16u; // THREADS / LANES: thread t has the queries t % PAIRS and PAIRS further
const BLOCK = 8u; // keys at a time
const LOWEST = -3.0e38; // below any score

struct Params {
  rows: u32, // N
  heads: u32, // H
  kv_heads: u32, // K
  each: u32, // query heads of a workgroup: a divisor of H / K, at most 32
  row_count: u32, // rows of a workgroup: 32 / each, rounded down
  quads: u32, // E / 4
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q_NHE: array<vec4f>;
@group(0) @binding(2) var<storage, read> k_MKE: array<vec4f>;
@group(0) @binding(3) var<storage, read> v_MKE: array<vec4f>;
@group(0) @binding(4) var<storage, read> ranges_N4: array<vec4i>;
@group(0) @binding(5) var<storage, read_write> out_NHE: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> lse_NH: array<f32>;

var<workgroup> staged: array<vec4f, BLOCK * LANES * SLOTS>; // keys, then values, by key of the block, quad
var<workgroup> partial: array<f32, BLOCK * LANES * QUERIES>; // products, by key of the block, lane, query
var<workgroup> scores: array<f32, BLOCK * QUERIES>; // by key of the block, query
var<workgroup> weights: array<f32, BLOCK * QUERIES>; // exp(score - high), by key of the block, query
var<workgroup> shrinks: array<f32, QUERIES>; // what earlier blocks of the chunk are multiplied with
var<workgroup> folds: array<vec2f, QUERIES>; // what earlier chunks, and what the chunk, are multiplied with

// Every LANES-th quad of a query from `lane` on, times the scale; zeros past its end.
fn load_query(nh: u32, lane: u32) -> mat4x4f {
  var quads = mat4x4f();
  for (var i = 0u; i < SLOTS; i++) {
    let quad = lane + i * LANES;
    if (nh < params.rows * params.heads && quad < params.quads) {
      quads[i] = q_NHE[nh * params.quads + quad] * params.scale;
    }
  }
  return quads;
}

// Keys of row n, none if it lies outside the run.
fn keys_in(run: vec2u, n: u32) -> u32 {
  if (n < run.x || n >= run.y) {
    return 0u;
  }
  let range = ranges_N4[n];
  return u32(range.y - range.x + range.w - range.z);
}

// Where quad i % (LANES * SLOTS) of a staged key lies in k and v; past the last key, or its end, the last one.
fn source(i: u32, range: vec4u, begin: u32, end: u32, kv_head: u32) -> u32 {
  let key = min(begin + i / (LANES * SLOTS), end - 1u);
  let first_keys = range.y - range.x;
  let row = select(range.z + (key - first_keys), range.x + key, key < first_keys);
  return (row * params.kv_heads + kv_head) * params.quads + min(i % (LANES * SLOTS), params.quads - 1u);
}

// One fused multiply-add after the other, lane by lane: sum + sum_j x[j] * rows[j].
fn absorb(x: vec4f, rows: mat4x4f, sum: vec4f) -> vec4f {
  return fma(vec4f(x.w), rows[3], fma(vec4f(x.z), rows[2], fma(vec4f(x.y), rows[1], fma(vec4f(x.x), rows[0], sum))));
}

// A quad of four staged keys from `key` on, transposed.
fn four_keys(key: u32, quad: u32) -> mat4x4f {
  let at = key * LANES * SLOTS + quad;
  let stride = LANES * SLOTS;
  return transpose(mat4x4f(staged[at], staged[at + stride], staged[at + 2u * stride], staged[at + 3u * stride]));
}

// The score of query s with a key: the lanes' products, added in pairs.
fn score_of(key: u32, s: u32) -> f32 {
  let at = key * LANES * QUERIES + s;
  var sum = partial[at] + partial[at + 4u * QUERIES];
  for (var lane = 1u; lane < 4u; lane++) {
    sum += partial[at + lane * QUERIES] + partial[at + (lane + 4u) * QUERIES];
  }
  return sum;
}

@compute @workgroup_size(THREADS)
fn attention_fwd_tile(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) t: u32,
) {
  let tiles = (params.rows + params.row_count - 1u) / params.row_count;
  let tile = group.x + group.y * groups.x;
  if (tile >= tiles * (params.heads / params.each)) {
    return;
  }
  let first_row = tile % tiles * params.row_count;
  let last_row = min(first_row + params.row_count, params.rows);
  let first_head = tile / tiles * params.each;
  let kv_head = first_head / (params.heads / params.kv_heads);
  let lane = t / PAIRS;
  // Two queries, a and b; those past row_count * each lie in a row of the next workgroup, so that they see no keys.
  let a = t % PAIRS;
  let b = a + PAIRS;
  let a_row = first_row + a / params.each;
  let b_row = first_row + b / params.each;
  let a_nh = a_row * params.heads + first_head + a % params.each;
  let b_nh = b_row * params.heads + first_head + b % params.each;
  let a_query = load_query(a_nh, lane);
  let b_query = load_query(b_nh, lane);
  var a_total = mat4x4f();
  var b_total = mat4x4f();
  // Four threads have the softmax of query s, each with every fourth key of a block; the first one has the sums.
  let s = t % QUERIES;
  let part = t / QUERIES;
  let row = first_row + s / params.each;
  var total_high = LOWEST;
  var total_sum = 0.0;

  var run = vec2u(first_row);
  while (run.y < last_row) {
    run.x = run.y;
    let range = vec4u(ranges_N4[run.x]);
    var longest = 0u;
    while (run.y < last_row && all(vec4u(ranges_N4[run.y]).xyz == range.xyz)) {
      run.y += 1u;
      longest = max(longest, keys_in(run, run.y - 1u));
    }
    let a_keys = keys_in(run, a_row);
    let b_keys = keys_in(run, b_row);
    let keys = keys_in(run, row);
    for (var chunk = 0u; chunk < longest; chunk += CHUNK) {
      var high = LOWEST;
      var sum = 0.0;
      var a_values = mat4x4f();
      var b_values = mat4x4f();
      for (var block = chunk; block < min(chunk + CHUNK, longest); block += BLOCK) {
        let count = min(BLOCK, longest - block);
        workgroupBarrier();
        for (var i = t; i < BLOCK * LANES * SLOTS; i += THREADS) {
          staged[i] = k_MKE[source(i, range, block, longest, kv_head)];
        }
        workgroupBarrier();
        for (var key = 0u; key < count; key += 4u) {
          var a_sums = vec4f();
          var b_sums = vec4f();
          for (var i = 0u; i < SLOTS; i++) {
            let k = four_keys(key, lane + i * LANES);
            a_sums = absorb(a_query[i], k, a_sums);
            b_sums = absorb(b_query[i], k, b_sums);
          }
          for (var j = 0u; j < 4u; j++) {
            partial[((key + j) * LANES + lane) * QUERIES + a] = a_sums[j];
            partial[((key + j) * LANES + lane) * QUERIES + b] = b_sums[j];
          }
        }
        workgroupBarrier();
        for (var i = t; i < BLOCK * LANES * SLOTS; i += THREADS) {
          staged[i] = v_MKE[source(i, range, block, longest, kv_head)];
        }
        for (var j = part; j < count; j += 4u) {
          scores[j * QUERIES + s] = select(LOWEST, score_of(j, s), block + j < keys);
        }
        workgroupBarrier();
        var shrink = 1.0;
        if (block < keys) {
          var top = high;
          for (var j = 0u; j < count; j++) {
            top = max(top, scores[j * QUERIES + s]);
          }
          for (var j = part; j < count; j += 4u) {
            weights[j * QUERIES + s] = exp(scores[j * QUERIES + s] - top);
          }
          shrink = exp(high - top);
          if (part == 0u) {
            shrinks[s] = shrink;
          }
          high = top;
        }
        workgroupBarrier();
        a_values *= select(1.0, shrinks[a], block < a_keys);
        b_values *= select(1.0, shrinks[b], block < b_keys);
        var block_sum = 0.0;
        for (var j = 0u; j < count; j++) {
          let a_weight = weights[j * QUERIES + a];
          let b_weight = weights[j * QUERIES + b];
          block_sum += weights[j * QUERIES + s];
          for (var i = 0u; i < SLOTS; i++) {
            let v = staged[j * LANES * SLOTS + lane + i * LANES];
            if (block < a_keys) {
              a_values[i] = fma(vec4f(a_weight), v, a_values[i]);
            }
            if (block < b_keys) {
              b_values[i] = fma(vec4f(b_weight), v, b_values[i]);
            }
          }
        }
        sum = select(sum, fma(sum, shrink, block_sum), block < keys);
      }

      // As in attention_merge.
      if (part == 0u && chunk < keys) {
        let top = max(total_high, high);
        let shrink = exp(total_high - top);
        let weight = exp(high - top);
        total_sum = fma(total_sum, shrink, sum * weight);
        total_high = top;
        folds[s] = vec2f(shrink, weight);
      }
      workgroupBarrier();
      for (var i = 0u; i < SLOTS; i++) {
        if (chunk < a_keys) {
          a_total[i] = fma(a_total[i], vec4f(folds[a].x), a_values[i] * folds[a].y);
        }
        if (chunk < b_keys) {
          b_total[i] = fma(b_total[i], vec4f(folds[b].x), b_values[i] * folds[b].y);
        }
      }
    }
  }

  workgroupBarrier();
  if (part == 0u && row < last_row) {
    folds[s].x = select(0.0, 1.0 / total_sum, total_sum > 0.0);
    let nh = row * params.heads + first_head + s % params.each;
    lse_NH[nh] = select(0.0, total_high + log(total_sum), total_sum > 0.0);
  }
  workgroupBarrier();
  for (var i = 0u; i < SLOTS; i++) {
    let quad = lane + i * LANES;
    if (a_row < last_row && quad < params.quads) {
      out_NHE[a_nh * params.quads + quad] = a_total[i] * folds[a].x;
    }
    if (b_row < last_row && quad < params.quads) {
      out_NHE[b_nh * params.quads + quad] = b_total[i] * folds[b].x;
    }
  }
}

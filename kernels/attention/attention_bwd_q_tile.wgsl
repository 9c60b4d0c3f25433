// As attention_bwd_q, for GPUs: a workgroup for 32 queries of a key head, as in attention_fwd_tile.
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
// grid       x, y: ceil(N / row_count) * H / each, folded: a workgroup of 128 threads for each
// Keys are taken 8 at a time in the order of the ranges, by runs of rows that differ in r3 only, as in
// attention_fwd_tile. Accumulates in f32 in the order of the keys: deterministic. Tolerance 5e-6.
// At E = 128 a block of 8 keys is 8 KiB for 192 Ki flops. A thread has two queries and reads 16 bytes of workgroup
// memory for 8 fused multiply-adds; it keeps 96 values in registers. The workgroup has 13 KiB of memory.
// Loops over the keys of a block have bounds unknown to compilers, as in attention_fwd_tile.
override SLOTS: u32 = 4u; // quads of a head to a thread: E / 4 / LANES, rounded up

const THREADS = 128u;
const QUERIES = 32u;
const LANES = 8u; // threads that share a query: each has every LANES-th quad
const PAIRS = 16u; // THREADS / LANES: thread t has the queries t % PAIRS and PAIRS further
const BLOCK = 8u; // keys at a time

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
@group(0) @binding(5) var<storage, read> dout_NHE: array<vec4f>;
@group(0) @binding(6) var<storage, read> stats_NH: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> dq_NHE: array<vec4f>;

var<workgroup> staged: array<vec4f, BLOCK * LANES * SLOTS>; // values, then keys, by key of the block, quad
var<workgroup> partial: array<f32, BLOCK * LANES * QUERIES>; // products with them, by key of the block, lane, query
var<workgroup> dscores: array<f32, BLOCK * QUERIES>; // by key of the block, query

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

// sum + sum_j x[j] * rows[j]
fn absorb(x: vec4f, rows: mat4x4f, sum: vec4f) -> vec4f {
  return fma(vec4f(x.w), rows[3], fma(vec4f(x.z), rows[2], fma(vec4f(x.y), rows[1], fma(vec4f(x.x), rows[0], sum))));
}

// A quad of four of the staged from `key` on, transposed.
fn four_keys(key: u32, quad: u32) -> mat4x4f {
  let at = key * LANES * SLOTS + quad;
  let stride = LANES * SLOTS;
  return transpose(mat4x4f(staged[at], staged[at + stride], staged[at + 2u * stride], staged[at + 3u * stride]));
}

// Stores this lane's products of queries a and PAIRS further with what is staged.
fn multiply(count: u32, lane: u32, a: u32, a_quads: mat4x4f, b_quads: mat4x4f) {
  for (var key = 0u; key < count; key += 4u) {
    var a_sums = vec4f();
    var b_sums = vec4f();
    for (var i = 0u; i < SLOTS; i++) {
      let rows = four_keys(key, lane + i * LANES);
      a_sums = absorb(a_quads[i], rows, a_sums);
      b_sums = absorb(b_quads[i], rows, b_sums);
    }
    for (var j = 0u; j < 4u; j++) {
      let at = ((key + j) * LANES + lane) * QUERIES + a;
      partial[at] = a_sums[j];
      partial[at + PAIRS] = b_sums[j];
    }
  }
}

fn product(key: u32, s: u32) -> f32 {
  var sum = 0.0;
  for (var lane = 0u; lane < LANES; lane++) {
    sum += partial[(key * LANES + lane) * QUERIES + s];
  }
  return sum;
}

@compute @workgroup_size(THREADS)
fn attention_bwd_q_tile(
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
  let a_at = (a_row * params.heads + first_head + a % params.each) * params.quads;
  let b_at = (b_row * params.heads + first_head + b % params.each) * params.quads;
  var a_q = mat4x4f();
  var b_q = mat4x4f();
  var a_dout = mat4x4f();
  var b_dout = mat4x4f();
  for (var i = 0u; i < SLOTS; i++) {
    // Past the end of a head zeros.
    let quad = lane + i * LANES;
    if (a_row < last_row && quad < params.quads) {
      a_q[i] = q_NHE[a_at + quad] * params.scale;
      a_dout[i] = dout_NHE[a_at + quad];
    }
    if (b_row < last_row && quad < params.quads) {
      b_q[i] = q_NHE[b_at + quad] * params.scale;
      b_dout[i] = dout_NHE[b_at + quad];
    }
  }
  var a_dq = mat4x4f();
  var b_dq = mat4x4f();
  // Four threads have the softmax of query s, and of each block every fourth key.
  let s = t % QUERIES;
  let part = t / QUERIES;
  let row = first_row + s / params.each;
  var stats = vec2f();
  if (row < last_row) {
    stats = stats_NH[row * params.heads + first_head + s % params.each];
  }

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

    for (var block = 0u; block < longest; block += BLOCK) {
      let count = min(BLOCK, longest - block);
      workgroupBarrier();
      for (var i = t; i < BLOCK * LANES * SLOTS; i += THREADS) {
        staged[i] = v_MKE[source(i, range, block, longest, kv_head)];
      }
      workgroupBarrier();
      multiply(count, lane, a, a_dout, b_dout);
      workgroupBarrier();
      for (var i = t; i < BLOCK * LANES * SLOTS; i += THREADS) {
        staged[i] = k_MKE[source(i, range, block, longest, kv_head)];
      }
      for (var j = part; j < count; j += 4u) {
        dscores[j * QUERIES + s] = (product(j, s) - stats.y) * params.scale;
      }
      workgroupBarrier();
      multiply(count, lane, a, a_q, b_q);
      workgroupBarrier();
      for (var j = part; j < count; j += 4u) {
        let dscore = dscores[j * QUERIES + s] * exp(product(j, s) - stats.x);
        dscores[j * QUERIES + s] = select(0.0, dscore, block + j < keys);
      }
      workgroupBarrier();
      for (var j = 0u; j < count; j++) {
        let a_dscore = dscores[j * QUERIES + a];
        let b_dscore = dscores[j * QUERIES + b];
        for (var i = 0u; i < SLOTS; i++) {
          let k = staged[j * LANES * SLOTS + lane + i * LANES];
          if (block < a_keys) {
            a_dq[i] = fma(vec4f(a_dscore), k, a_dq[i]);
          }
          if (block < b_keys) {
            b_dq[i] = fma(vec4f(b_dscore), k, b_dq[i]);
          }
        }
      }
    }
  }

  for (var i = 0u; i < SLOTS; i++) {
    let quad = lane + i * LANES;
    if (a_row < last_row && quad < params.quads) {
      dq_NHE[a_at + quad] = a_dq[i];
    }
    if (b_row < last_row && quad < params.quads) {
      dq_NHE[b_at + quad] = b_dq[i];
    }
  }
}

// As attention_bwd_kv, for GPUs: a workgroup for 32 rows of a key head, which reads once the queries that may see them.
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
// dkv_M2KE    f32 read_write  [M, 2, K * E]: dk and dv of a row side by side, as in attention_bwd_kv
// grid        x, y: ceil(M / 32) * K, folded: a workgroup of 128 threads for each
// Queries are taken 8 at a time in the order of n, then h, where one of their rows sees a key of the workgroup.
// Accumulates in f32 in this order: deterministic. Tolerance 5e-6.
// At E = 128 a block of 8 queries is 12 KiB (queries twice) for 256 Ki flops. A thread has two keys and reads 16 bytes
// of workgroup memory for 8 fused multiply-adds; it keeps 128 values in registers. The workgroup has 13 KiB of memory.
// Loops over the queries of a block have bounds unknown to compilers, as in attention_fwd_tile.
override SLOTS: u32 = 4u; // quads of a head to a thread: E / 4 / LANES, rounded up

const THREADS = 128u;
const KEYS = 32u;
const LANES = 8u; // threads that share a key: each has every LANES-th quad
const PAIRS = 16u; // THREADS / LANES: thread t has the keys t % PAIRS and PAIRS further
const BLOCK = 8u; // queries at a time

struct Params {
  rows: u32, // M
  heads: u32, // H
  kv_heads: u32, // K
  quads: u32, // E / 4
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

var<workgroup> staged: array<vec4f, BLOCK * LANES * SLOTS>; // queries or dout, by query of the block, quad
var<workgroup> partial: array<f32, BLOCK * LANES * KEYS>; // products with them, by query of the block, lane, key
var<workgroup> factors: array<f32, BLOCK * KEYS>; // p, then derivatives by the scores, by query of the block, key

// The queries that a workgroup may see, by row, then head.
struct Queries {
  first_row: u32,
  count: u32,
  first_head: u32,
  heads: u32, // of the key head
}

// Row and place among [N, H] of a query; past the last one the last one.
fn place(queries: Queries, query: u32) -> vec2u {
  let i = min(query, queries.count - 1u);
  let n = queries.first_row + i / queries.heads;
  return vec2u(n, n * params.heads + queries.first_head + i % queries.heads);
}

// Where quad i % (LANES * SLOTS) of a staged query lies in q and dout; past its end the last one.
fn source(i: u32, queries: Queries, block: u32) -> u32 {
  let nh = place(queries, block + i / (LANES * SLOTS)).y;
  return nh * params.quads + min(i % (LANES * SLOTS), params.quads - 1u);
}

// Whether row n sees one of the keys from m to end - 1.
fn sees(n: u32, m: u32, end: u32) -> bool {
  let range = vec4u(ranges_N4[n]);
  return max(m, range.x) < min(end, range.y) || max(m, range.z) < min(end, range.w);
}

// sum + sum_j x[j] * rows[j]
fn absorb(x: vec4f, rows: mat4x4f, sum: vec4f) -> vec4f {
  return fma(vec4f(x.w), rows[3], fma(vec4f(x.z), rows[2], fma(vec4f(x.y), rows[1], fma(vec4f(x.x), rows[0], sum))));
}

// A quad of four of the staged from `query` on, transposed.
fn four_queries(query: u32, quad: u32) -> mat4x4f {
  let at = query * LANES * SLOTS + quad;
  let stride = LANES * SLOTS;
  return transpose(mat4x4f(staged[at], staged[at + stride], staged[at + 2u * stride], staged[at + 3u * stride]));
}

// Stores this lane's products of keys (or values) a and PAIRS further with what is staged.
fn multiply(count: u32, lane: u32, a: u32, a_quads: mat4x4f, b_quads: mat4x4f) {
  for (var query = 0u; query < count; query += 4u) {
    var a_sums = vec4f();
    var b_sums = vec4f();
    for (var i = 0u; i < SLOTS; i++) {
      let rows = four_queries(query, lane + i * LANES);
      a_sums = absorb(a_quads[i], rows, a_sums);
      b_sums = absorb(b_quads[i], rows, b_sums);
    }
    for (var j = 0u; j < 4u; j++) {
      let at = ((query + j) * LANES + lane) * KEYS + a;
      partial[at] = a_sums[j];
      partial[at + PAIRS] = b_sums[j];
    }
  }
}

fn product(query: u32, s: u32) -> f32 {
  var sum = 0.0;
  for (var lane = 0u; lane < LANES; lane++) {
    sum += partial[(query * LANES + lane) * KEYS + s];
  }
  return sum;
}

// Adds what is staged, times the factors of keys a and PAIRS further, to this lane's quads.
fn accumulate(count: u32, lane: u32, a: u32, a_sums: ptr<function, mat4x4f>, b_sums: ptr<function, mat4x4f>) {
  for (var j = 0u; j < count; j++) {
    let a_factor = factors[j * KEYS + a];
    let b_factor = factors[j * KEYS + a + PAIRS];
    for (var i = 0u; i < SLOTS; i++) {
      let row = staged[j * LANES * SLOTS + lane + i * LANES];
      (*a_sums)[i] = fma(vec4f(a_factor), row, (*a_sums)[i]);
      (*b_sums)[i] = fma(vec4f(b_factor), row, (*b_sums)[i]);
    }
  }
}

@compute @workgroup_size(THREADS)
fn attention_bwd_kv_tile(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) t: u32,
) {
  let tiles = (params.rows + KEYS - 1u) / KEYS;
  let tile = group.x + group.y * groups.x;
  if (tile >= tiles * params.kv_heads) {
    return;
  }
  let first = tile % tiles * KEYS;
  let last = min(first + KEYS, params.rows);
  let kv_head = tile / tiles;
  var rows = vec2u(0xffffffffu, 0u);
  for (var m = first; m < last; m++) {
    let own = vec2u(inverse_M2[m]);
    if (own.x < own.y) {
      rows = vec2u(min(rows.x, own.x), max(rows.y, own.y));
    }
  }
  let group_heads = params.heads / params.kv_heads;
  let count = select(0u, rows.y - rows.x, rows.x < rows.y) * group_heads;
  let queries = Queries(rows.x, count, kv_head * group_heads, group_heads);

  // Two keys, a and b; every LANES-th quad of each.
  let lane = t / PAIRS;
  let a = t % PAIRS;
  let b = a + PAIRS;
  let a_at = ((first + a) * params.kv_heads + kv_head) * params.quads;
  let b_at = ((first + b) * params.kv_heads + kv_head) * params.quads;
  var a_k = mat4x4f();
  var b_k = mat4x4f();
  var a_v = mat4x4f();
  var b_v = mat4x4f();
  for (var i = 0u; i < SLOTS; i++) {
    // Past the end of a head zeros.
    let quad = lane + i * LANES;
    if (first + a < last && quad < params.quads) {
      a_k[i] = k_MKE[a_at + quad] * params.scale;
      a_v[i] = v_MKE[a_at + quad];
    }
    if (first + b < last && quad < params.quads) {
      b_k[i] = k_MKE[b_at + quad] * params.scale;
      b_v[i] = v_MKE[b_at + quad];
    }
  }
  var a_dk = mat4x4f();
  var b_dk = mat4x4f();
  var a_dv = mat4x4f();
  var b_dv = mat4x4f();
  // Four threads have the factors of key s, and of each block every fourth query.
  let s = t % KEYS;
  let part = t / KEYS;

  for (var block = 0u; block < queries.count; block += BLOCK) {
    var seen = false;
    for (var n = place(queries, block).x; n <= place(queries, block + BLOCK - 1u).x; n++) {
      seen = seen || sees(n, first, last);
    }
    if (!seen) {
      continue;
    }
    let count = min(BLOCK, queries.count - block);
    workgroupBarrier();
    for (var i = t; i < BLOCK * LANES * SLOTS; i += THREADS) {
      staged[i] = q_NHE[source(i, queries, block)];
    }
    workgroupBarrier();
    multiply(count, lane, a, a_k, b_k);
    workgroupBarrier();
    for (var i = t; i < BLOCK * LANES * SLOTS; i += THREADS) {
      staged[i] = dout_NHE[source(i, queries, block)];
    }
    for (var j = part; j < count; j += 4u) {
      let query = place(queries, block + j);
      let p = exp(product(j, s) - stats_NH[query.y].x);
      factors[j * KEYS + s] = select(0.0, p, sees(query.x, first + s, first + s + 1u));
    }
    workgroupBarrier();
    multiply(count, lane, a, a_v, b_v);
    accumulate(count, lane, a, &a_dv, &b_dv);
    workgroupBarrier();
    for (var i = t; i < BLOCK * LANES * SLOTS; i += THREADS) {
      staged[i] = q_NHE[source(i, queries, block)];
    }
    for (var j = part; j < count; j += 4u) {
      let delta = stats_NH[place(queries, block + j).y].y;
      factors[j * KEYS + s] *= (product(j, s) - delta) * params.scale;
    }
    workgroupBarrier();
    accumulate(count, lane, a, &a_dk, &b_dk);
  }

  for (var i = 0u; i < SLOTS; i++) {
    let quad = lane + i * LANES;
    let width = params.kv_heads * params.quads;
    if (quad < params.quads) {
      let a_to = (first + a) * 2u * width + kv_head * params.quads + quad;
      if (first + a < last) {
        dkv_M2KE[a_to] = a_dk[i];
        dkv_M2KE[a_to + width] = a_dv[i];
      }
      let b_to = a_to + PAIRS * 2u * width;
      if (first + b < last) {
        dkv_M2KE[b_to] = b_dk[i];
        dkv_M2KE[b_to + width] = b_dv[i];
      }
    }
  }
}

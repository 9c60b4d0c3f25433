// Queries, keys and values out of one projection, queries and keys turned to their positions:
//   qkv[n] holds H query heads, then K key heads, then K value heads of E values
//   q[n] = turned(queries), k[row] = turned(keys), v[row] = values, row = MAPPED ? rows[n] : n
// where, for d < E / 2 of every head, with the angle of axis a = columns[d, 0] at position positions[a, n]:
//   turned(x)[d]         = x[d] * cos - x[d + E / 2] * sin
//   turned(x)[d + E / 2] = x[d + E / 2] * cos + x[d] * sin
// A row outside the keys is skipped with its keys and values (-1: a slot that has not started).
//
// qkv_NX        f32 read        [N, (H + 2 K) * E], E even
// cos_sin_PT    f32 read        [positions, T] pairs of cosine and sine
// columns_d     i32 read        [E / 2] pairs of axis and column of the table
// positions_AN  i32 read        [A, N], each a row of the table
// rows_N        i32 read        [N], no row twice; anything without MAPPED
// q_NHE         f32 read_write  [N, H * E]
// k_MKE         f32 read_write  [M, K * E]
// v_MKE         f32 read_write  [M, K * E]
// grid          gridFor(N * E / 2, 64): one thread per row and d, for all heads
// Deterministic. Tolerance 2e-7 for queries and keys; values are exact.
override MAPPED: bool = false;

struct Params {
  rows: u32, // N
  heads: u32, // H
  kv_heads: u32, // K
  half_dim: u32, // E / 2
  table_columns: u32, // T
  key_rows: u32, // M
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv_NX: array<f32>;
@group(0) @binding(2) var<storage, read> cos_sin_PT: array<vec2f>;
@group(0) @binding(3) var<storage, read> columns_d: array<vec2i>;
@group(0) @binding(4) var<storage, read> positions_AN: array<i32>;
@group(0) @binding(5) var<storage, read> rows_N: array<i32>;
@group(0) @binding(6) var<storage, read_write> q_NHE: array<f32>;
@group(0) @binding(7) var<storage, read_write> k_MKE: array<f32>;
@group(0) @binding(8) var<storage, read_write> v_MKE: array<f32>;

@compute @workgroup_size(64)
fn split_rotary_fwd(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  let half_dim = params.half_dim;
  if (i >= params.rows * half_dim) {
    return;
  }
  let n = i / half_dim;
  let d = i % half_dim;
  let head_dim = 2u * half_dim;
  let axis_column = vec2u(columns_d[d]);
  let position = u32(positions_AN[axis_column.x * params.rows + n]);
  let cos_sin = cos_sin_PT[position * params.table_columns + axis_column.y];
  let source = n * (params.heads + 2u * params.kv_heads) * head_dim + d;
  for (var h = 0u; h < params.heads; h++) {
    let a = qkv_NX[source + h * head_dim];
    let b = qkv_NX[source + h * head_dim + half_dim];
    let to = (n * params.heads + h) * head_dim + d;
    q_NHE[to] = a * cos_sin.x - b * cos_sin.y;
    q_NHE[to + half_dim] = b * cos_sin.x + a * cos_sin.y;
  }
  var row = i32(n);
  if (MAPPED) {
    row = rows_N[n];
  }
  if (row < 0 || u32(row) >= params.key_rows) {
    return;
  }
  for (var h = 0u; h < params.kv_heads; h++) {
    let key = source + (params.heads + h) * head_dim;
    let value = key + params.kv_heads * head_dim;
    let a = qkv_NX[key];
    let b = qkv_NX[key + half_dim];
    let to = (u32(row) * params.kv_heads + h) * head_dim + d;
    k_MKE[to] = a * cos_sin.x - b * cos_sin.y;
    k_MKE[to + half_dim] = b * cos_sin.x + a * cos_sin.y;
    v_MKE[to] = qkv_NX[value];
    v_MKE[to + half_dim] = qkv_NX[value + half_dim];
  }
}

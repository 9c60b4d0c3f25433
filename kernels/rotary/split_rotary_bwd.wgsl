// The gradient of split_rotary_fwd: gradients of queries and keys turned back, and all three joined.
//   dqkv[n] = turned back(dq[n]), turned back(dk[n]), dv[n]
// where, for d < E / 2 of every head, with the angle of axis a = columns[d, 0] at position positions[a, n]:
//   turned back(x)[d]         = x[d] * cos + x[d + E / 2] * sin
//   turned back(x)[d + E / 2] = x[d + E / 2] * cos - x[d] * sin
//
// dq_NHE        f32 read        [N, H * E], E even
// dk_NKE        f32 read        [N, K * E]
// dv_NKE        f32 read        [N, K * E]
// cos_sin_PT    f32 read        [positions, T] pairs of cosine and sine
// columns_d     i32 read        [E / 2] pairs of axis and column of the table
// positions_AN  i32 read        [A, N], each a row of the table
// dqkv_NX       f32 read_write  [N, (H + 2 K) * E]
// grid          gridFor(N * E / 2, 64): one thread per row and d, for all heads
// Deterministic. Tolerance 2e-7.
struct Params {
  rows: u32, // N
  heads: u32, // H
  kv_heads: u32, // K
  half_dim: u32, // E / 2
  table_columns: u32, // T
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dq_NHE: array<f32>;
@group(0) @binding(2) var<storage, read> dk_NKE: array<f32>;
@group(0) @binding(3) var<storage, read> dv_NKE: array<f32>;
@group(0) @binding(4) var<storage, read> cos_sin_PT: array<vec2f>;
@group(0) @binding(5) var<storage, read> columns_d: array<vec2i>;
@group(0) @binding(6) var<storage, read> positions_AN: array<i32>;
@group(0) @binding(7) var<storage, read_write> dqkv_NX: array<f32>;

@compute @workgroup_size(64)
fn split_rotary_bwd(
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
  let to = n * (params.heads + 2u * params.kv_heads) * head_dim + d;
  for (var h = 0u; h < params.heads; h++) {
    let source = (n * params.heads + h) * head_dim + d;
    let a = dq_NHE[source];
    let b = dq_NHE[source + half_dim];
    dqkv_NX[to + h * head_dim] = a * cos_sin.x + b * cos_sin.y;
    dqkv_NX[to + h * head_dim + half_dim] = b * cos_sin.x - a * cos_sin.y;
  }
  for (var h = 0u; h < params.kv_heads; h++) {
    let source = (n * params.kv_heads + h) * head_dim + d;
    let key = to + (params.heads + h) * head_dim;
    let value = key + params.kv_heads * head_dim;
    let a = dk_NKE[source];
    let b = dk_NKE[source + half_dim];
    dqkv_NX[key] = a * cos_sin.x + b * cos_sin.y;
    dqkv_NX[key + half_dim] = b * cos_sin.x - a * cos_sin.y;
    dqkv_NX[value] = dv_NKE[source];
    dqkv_NX[value + half_dim] = dv_NKE[source + half_dim];
  }
}

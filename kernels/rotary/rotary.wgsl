// For d < E / 2 of every head, with the angle of axis a = columns[d, 0] at position positions[a, n]:
//   out[d]         = x[d] * cos - sign * x[d + E / 2] * sin
//   out[d + E / 2] = x[d + E / 2] * cos + sign * x[d] * sin
// sign is 1, or -1 with INVERSE: the rotation back, which is also the gradient.
//
// x_NHE         f32 read        [N, H * E], E even
// cos_sin_PT    f32 read        [positions, T] pairs of cosine and sine
// columns_d     i32 read        [E / 2] pairs of axis and column of the table
// positions_AN  i32 read        [A, N], each a row of the table
// out_NHE       f32 read_write  [N, H * E]
// grid          gridFor(N * E / 2, 64): one thread per row and d, for all heads
// Deterministic. Tolerance 2e-7.
override INVERSE: bool = false;

struct Params {
  rows: u32, // N
  heads: u32, // H
  half_dim: u32, // E / 2
  table_columns: u32, // T
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_NHE: array<f32>;
@group(0) @binding(2) var<storage, read> cos_sin_PT: array<vec2f>;
@group(0) @binding(3) var<storage, read> columns_d: array<vec2i>;
@group(0) @binding(4) var<storage, read> positions_AN: array<i32>;
@group(0) @binding(5) var<storage, read_write> out_NHE: array<f32>;

@compute @workgroup_size(64)
fn rotary(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.rows * params.half_dim) {
    return;
  }
  let half_dim = params.half_dim;
  let n = i / half_dim;
  let d = i % half_dim;
  let axis_column = vec2u(columns_d[d]);
  let position = u32(positions_AN[axis_column.x * params.rows + n]);
  let cos_sin = cos_sin_PT[position * params.table_columns + axis_column.y];
  let cosine = cos_sin.x;
  let sine = select(cos_sin.y, -cos_sin.y, INVERSE);
  for (var h = 0u; h < params.heads; h++) {
    let low = (n * params.heads + h) * 2u * half_dim + d;
    let high = low + half_dim;
    let a = x_NHE[low];
    let b = x_NHE[high];
    out_NHE[low] = a * cosine - b * sine;
    out_NHE[high] = b * cosine + a * sine;
  }
}

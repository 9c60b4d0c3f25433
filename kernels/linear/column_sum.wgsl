// sum[m] = sum_n dy[n, m]: the gradient of a linear layer's bias.
//
// dy_NM   f32 read        [N, M]
// sum_M   f32 read_write  [M]
// grid    x: ceil(M / 64)
// One thread per column, f32, in the order of n: deterministic. Tolerance 1e-6 * N.
struct Params {
  rows: u32, // N
  columns: u32, // M
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy_NM: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum_M: array<f32>;

@compute @workgroup_size(64)
fn column_sum(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.columns) {
    return;
  }
  var sum = 0.0;
  for (var n = 0u; n < params.rows; n++) {
    sum += dy_NM[n * params.columns + id.x];
  }
  sum_M[id.x] = sum;
}

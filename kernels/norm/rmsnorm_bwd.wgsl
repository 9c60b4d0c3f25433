// dx[n, d] = r[n] * (w[d] * dy[n, d] - x[n, d] * r[n]^2 * mean_d(w[d] * dy[n, d] * x[n, d]))
//
// x_ND       f32 read        [N, D], D a multiple of 4
// weight_D   f32 read        [D]
// inverse_N  f32 read        [N]: r = 1 / sqrt(mean_d x^2 + epsilon), from the forward kernel
// dy_ND      f32 read        [N, D]
// dx_ND      f32 read_write  [N, D]
// grid       gridFor(N, 64): one thread per row
// Accumulates four lanes in f32 in the order of d: deterministic. Tolerance 3e-6.
struct Params {
  rows: u32, // N
  columns: u32, // D / 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_ND: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight_D: array<vec4f>;
@group(0) @binding(3) var<storage, read> inverse_N: array<f32>;
@group(0) @binding(4) var<storage, read> dy_ND: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> dx_ND: array<vec4f>;

@compute @workgroup_size(64)
fn rmsnorm_bwd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let n = id.x + id.y * groups.x * 64u;
  if (n >= params.rows) {
    return;
  }
  let columns = params.columns;
  let row = n * columns;
  var products = vec4f();
  for (var d = 0u; d < columns; d++) {
    products += weight_D[d] * dy_ND[row + d] * x_ND[row + d];
  }
  let mean = (products.x + products.y + products.z + products.w) / f32(columns * 4u);
  let inverse = inverse_N[n];
  let pull = inverse * inverse * mean;
  for (var d = 0u; d < columns; d++) {
    dx_ND[row + d] = inverse * (weight_D[d] * dy_ND[row + d] - x_ND[row + d] * pull);
  }
}

// y[n, d] = x[n, d] * r[n] * w[d], r[n] = 1 / sqrt(mean_d x[n, d]^2 + epsilon)
//
// x_ND       f32 read        [N, D], D a multiple of 4
// weight_D   f32 read        [D]
// y_ND       f32 read_write  [N, D]
// inverse_N  f32 read_write  [N]: r, for the gradient
// grid       gridFor(N, WORKGROUP): one thread per row
// Accumulates four lanes in f32 in the order of d: deterministic, and a row's result does not depend on N.
// Tolerance 2e-6.
override WORKGROUP: u32 = 64u;
struct Params {
  rows: u32, // N
  columns: u32, // D / 4
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_ND: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight_D: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y_ND: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> inverse_N: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn rmsnorm_fwd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let n = id.x + id.y * groups.x * WORKGROUP;
  if (n >= params.rows) {
    return;
  }
  let columns = params.columns;
  let row = n * columns;
  var squares = vec4f();
  for (var d = 0u; d < columns; d++) {
    let x = x_ND[row + d];
    squares += x * x;
  }
  let mean = (squares.x + squares.y + squares.z + squares.w) / f32(columns * 4u);
  let inverse = 1.0 / sqrt(mean + params.epsilon);
  for (var d = 0u; d < columns; d++) {
    y_ND[row + d] = x_ND[row + d] * inverse * weight_D[d];
  }
  inverse_N[n] = inverse;
}

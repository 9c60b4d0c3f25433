// y[n, d] = x[n, d] * r[n] * w[d], r[n] = 1 / sqrt(mean_d x[n, d]^2 + epsilon), on GPUs
//
// x_ND       f32 read        [N, D], D a multiple of 4
// weight_D   f32 read        [D]
// y_ND       f32 read_write  [N, D]
// inverse_N  f32 read_write  [N]: r, for the gradient
// grid       x, y: N, folded: a workgroup of 128 threads per row
// Each thread sums every 128th group of four, in f32; the sums are added in a fixed order: deterministic, and a
// row's result does not depend on N. Tolerance 2e-6.
const THREADS = 128u;
const SUMS = 16u;

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

var<workgroup> partial: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn rmsnorm_fwd_wide(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) t: u32,
) {
  let n = group.x + group.y * groups.x;
  if (n >= params.rows) {
    return;
  }
  let columns = params.columns;
  let row = n * columns;
  var squares = vec4f();
  for (var d = t; d < columns; d += THREADS) {
    let x = x_ND[row + d];
    squares += x * x;
  }
  partial[t] = squares.x + squares.y + squares.z + squares.w;
  workgroupBarrier();
  if (t < SUMS) {
    var sum = 0.0;
    for (var i = t; i < THREADS; i += SUMS) {
      sum += partial[i];
    }
    partial[t] = sum;
  }
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < SUMS; i++) {
    sum += partial[i];
  }
  let inverse = 1.0 / sqrt(sum / f32(columns * 4u) + params.epsilon);
  for (var d = t; d < columns; d += THREADS) {
    y_ND[row + d] = x_ND[row + d] * inverse * weight_D[d];
  }
  if (t == 0u) {
    inverse_N[n] = inverse;
  }
}

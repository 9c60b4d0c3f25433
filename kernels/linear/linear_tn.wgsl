// dw[m, k] = sum_n dy[n, dy_offset + m] * x[n, k]: the gradient of a linear layer's weight.
//
// dy_NM   f32 read        [N, dy_stride], dy_stride and dy_offset multiples of 4
// x_NK    f32 read        [N, K], K a multiple of 4
// dw_MK   f32 read_write  [M, K]
// grid    x: ceil(K / 4 / 8), y: ceil(M / 8 / 8)
// A thread computes 8 rows by 4 columns in registers; no workgroup memory, no barrier (software drivers).
// Accumulates in f32 in the order of n: deterministic. Tolerance 1e-6 * N.
struct Params {
  inner: u32, // N
  rows: u32, // M
  columns: u32, // K / 4
  dy_stride: u32, // in groups of 4
  dy_offset: u32, // in groups of 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy_NM: array<vec4f>;
@group(0) @binding(2) var<storage, read> x_NK: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dw_MK: array<vec4f>;

fn store(m: u32, k: u32, acc: vec4f) {
  if (m < params.rows) {
    dw_MK[m * params.columns + k] = acc;
  }
}

@compute @workgroup_size(8, 8)
fn linear_tn(@builtin(global_invocation_id) id: vec3u) {
  let k = id.x;
  let m = id.y * 8u;
  if (k >= params.columns || m >= params.rows) {
    return;
  }
  let low = params.dy_offset + m / 4u;
  // Past the end of a row the last group is read again; its results are not stored.
  let high = min(low + 1u, params.dy_stride - 1u);
  var acc0 = vec4f();
  var acc1 = vec4f();
  var acc2 = vec4f();
  var acc3 = vec4f();
  var acc4 = vec4f();
  var acc5 = vec4f();
  var acc6 = vec4f();
  var acc7 = vec4f();
  // Two rows at a time: half the loop's overhead, and the sums are the same as one by one.
  let pairs = params.inner / 2u * 2u;
  for (var n = 0u; n < pairs; n += 2u) {
    let x = x_NK[n * params.columns + k];
    let a = dy_NM[n * params.dy_stride + low];
    let b = dy_NM[n * params.dy_stride + high];
    acc0 += a.x * x;
    acc1 += a.y * x;
    acc2 += a.z * x;
    acc3 += a.w * x;
    acc4 += b.x * x;
    acc5 += b.y * x;
    acc6 += b.z * x;
    acc7 += b.w * x;
    let next_x = x_NK[(n + 1u) * params.columns + k];
    let next_a = dy_NM[(n + 1u) * params.dy_stride + low];
    let next_b = dy_NM[(n + 1u) * params.dy_stride + high];
    acc0 += next_a.x * next_x;
    acc1 += next_a.y * next_x;
    acc2 += next_a.z * next_x;
    acc3 += next_a.w * next_x;
    acc4 += next_b.x * next_x;
    acc5 += next_b.y * next_x;
    acc6 += next_b.z * next_x;
    acc7 += next_b.w * next_x;
  }
  if (pairs < params.inner) {
    let x = x_NK[pairs * params.columns + k];
    let a = dy_NM[pairs * params.dy_stride + low];
    let b = dy_NM[pairs * params.dy_stride + high];
    acc0 += a.x * x;
    acc1 += a.y * x;
    acc2 += a.z * x;
    acc3 += a.w * x;
    acc4 += b.x * x;
    acc5 += b.y * x;
    acc6 += b.z * x;
    acc7 += b.w * x;
  }
  store(m, k, acc0);
  store(m + 1u, k, acc1);
  store(m + 2u, k, acc2);
  store(m + 3u, k, acc3);
  store(m + 4u, k, acc4);
  store(m + 5u, k, acc5);
  store(m + 6u, k, acc6);
  store(m + 7u, k, acc7);
}

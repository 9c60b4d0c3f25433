// As linear_nn, for f32 weights and many rows on CPU drivers with wide vectors (gpu/kernel-family.ts):
// y[n, k] = (accumulate ? y : 0) + scale * sum_m x[n, x_offset + m] * w[m, k]
//
// x_NM  f32 read        [N, x_stride]
// w_MK  f32 read        [M, K], K a multiple of 4
// y_NK  f32 read_write  [N, K]
// grid  x: ceil(K / 64), y: ceil(N / HEIGHT)
// A thread computes HEIGHT rows by 8 columns, one fused multiply-add after the other in the order of m. The driver turns
// each component of a load into a branch for every lane; what counts is many sums for a load, and a loop whose code
// stays small. The rows are the same for all threads of a workgroup: their loads are uniform.
// Deterministic, with the bits of linear_nn. Tolerance 1e-6 * M.
override HEIGHT: u32 = 16u; // 8 or 16

struct Params {
  rows: u32, // N
  inner: u32, // M
  columns: u32, // K / 4
  x_stride: u32,
  x_offset: u32,
  accumulate: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_NM: array<f32>;
@group(0) @binding(2) var<storage, read> w_MK: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y_NK: array<vec4f>;

// Eight columns of a row.
struct Eight {
  a: vec4f,
  b: vec4f,
}

fn absorb(sums: Eight, x: f32, w: Eight) -> Eight {
  return Eight(fma(vec4f(x), w.a, sums.a), fma(vec4f(x), w.b, sums.b));
}

fn store(n: u32, k: u32, sums: vec4f) {
  if (n >= params.rows || k >= params.columns) {
    return;
  }
  let at = n * params.columns + k;
  if (params.accumulate != 0u) {
    y_NK[at] += params.scale * sums;
  } else {
    y_NK[at] = params.scale * sums;
  }
}

fn finish(n: u32, k: u32, sums: Eight) {
  store(n, k, sums.a);
  store(n, k + 1u, sums.b);
}

@compute @workgroup_size(8)
fn linear_nn_tall(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let k = (group.x * 8u + lane) * 2u;
  let n = group.y * HEIGHT;
  let columns = params.columns;
  if (k >= columns) {
    return;
  }
  // Rows and columns past the end are read again; their results are not stored.
  let last_n = params.rows - 1u;
  let next = min(k + 1u, columns - 1u);
  let x0 = min(n + 0u, last_n) * params.x_stride + params.x_offset;
  let x1 = min(n + 1u, last_n) * params.x_stride + params.x_offset;
  let x2 = min(n + 2u, last_n) * params.x_stride + params.x_offset;
  let x3 = min(n + 3u, last_n) * params.x_stride + params.x_offset;
  let x4 = min(n + 4u, last_n) * params.x_stride + params.x_offset;
  let x5 = min(n + 5u, last_n) * params.x_stride + params.x_offset;
  let x6 = min(n + 6u, last_n) * params.x_stride + params.x_offset;
  let x7 = min(n + 7u, last_n) * params.x_stride + params.x_offset;
  let x8 = min(n + 8u, last_n) * params.x_stride + params.x_offset;
  let x9 = min(n + 9u, last_n) * params.x_stride + params.x_offset;
  let x10 = min(n + 10u, last_n) * params.x_stride + params.x_offset;
  let x11 = min(n + 11u, last_n) * params.x_stride + params.x_offset;
  let x12 = min(n + 12u, last_n) * params.x_stride + params.x_offset;
  let x13 = min(n + 13u, last_n) * params.x_stride + params.x_offset;
  let x14 = min(n + 14u, last_n) * params.x_stride + params.x_offset;
  let x15 = min(n + 15u, last_n) * params.x_stride + params.x_offset;
  var sums0 = Eight();
  var sums1 = Eight();
  var sums2 = Eight();
  var sums3 = Eight();
  var sums4 = Eight();
  var sums5 = Eight();
  var sums6 = Eight();
  var sums7 = Eight();
  var sums8 = Eight();
  var sums9 = Eight();
  var sums10 = Eight();
  var sums11 = Eight();
  var sums12 = Eight();
  var sums13 = Eight();
  var sums14 = Eight();
  var sums15 = Eight();
  for (var m = 0u; m < params.inner; m++) {
    let w = Eight(w_MK[m * columns + k], w_MK[m * columns + next]);
    sums0 = absorb(sums0, x_NM[x0 + m], w);
    sums1 = absorb(sums1, x_NM[x1 + m], w);
    sums2 = absorb(sums2, x_NM[x2 + m], w);
    sums3 = absorb(sums3, x_NM[x3 + m], w);
    sums4 = absorb(sums4, x_NM[x4 + m], w);
    sums5 = absorb(sums5, x_NM[x5 + m], w);
    sums6 = absorb(sums6, x_NM[x6 + m], w);
    sums7 = absorb(sums7, x_NM[x7 + m], w);
    if (HEIGHT > 8u) {
      sums8 = absorb(sums8, x_NM[x8 + m], w);
      sums9 = absorb(sums9, x_NM[x9 + m], w);
      sums10 = absorb(sums10, x_NM[x10 + m], w);
      sums11 = absorb(sums11, x_NM[x11 + m], w);
      sums12 = absorb(sums12, x_NM[x12 + m], w);
      sums13 = absorb(sums13, x_NM[x13 + m], w);
      sums14 = absorb(sums14, x_NM[x14 + m], w);
      sums15 = absorb(sums15, x_NM[x15 + m], w);
    }
  }
  finish(n + 0u, k, sums0);
  finish(n + 1u, k, sums1);
  finish(n + 2u, k, sums2);
  finish(n + 3u, k, sums3);
  finish(n + 4u, k, sums4);
  finish(n + 5u, k, sums5);
  finish(n + 6u, k, sums6);
  finish(n + 7u, k, sums7);
  if (HEIGHT > 8u) {
    finish(n + 8u, k, sums8);
    finish(n + 9u, k, sums9);
    finish(n + 10u, k, sums10);
    finish(n + 11u, k, sums11);
    finish(n + 12u, k, sums12);
    finish(n + 13u, k, sums13);
    finish(n + 14u, k, sums14);
    finish(n + 15u, k, sums15);
  }
}

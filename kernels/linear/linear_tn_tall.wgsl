// As linear_tn, on CPU drivers with wide vectors (gpu/kernel-family.ts):
// dw[m, k] = sum_n dy[n, dy_offset + m] * x[n, k]
//
// dy_NM  f32 read        [N, dy_stride]
// x_NK   f32 read        [N, K], K a multiple of 4
// dw_MK  f32 read_write  [M, K]
// grid   x: ceil(K / 64), y: ceil(M / HEIGHT)
// A thread computes HEIGHT rows of dw by 8 columns, one fused multiply-add after the other in the order of n. The
// driver turns each component of a load into a branch for every lane; what counts is many sums for a load, and a loop
// whose code stays small. The rows are the same for all threads of a workgroup: their loads are uniform.
// Deterministic. Tolerance 1e-6 * N.
override HEIGHT: u32 = 16u; // 8 or 16

struct Params {
  inner: u32, // N
  rows: u32, // M
  columns: u32, // K / 4
  dy_stride: u32,
  dy_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy_NM: array<f32>;
@group(0) @binding(2) var<storage, read> x_NK: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dw_MK: array<vec4f>;

// Eight columns of a row.
struct Eight {
  a: vec4f,
  b: vec4f,
}

fn absorb(sums: Eight, x: f32, w: Eight) -> Eight {
  return Eight(fma(vec4f(x), w.a, sums.a), fma(vec4f(x), w.b, sums.b));
}

fn store(m: u32, k: u32, sums: vec4f) {
  if (m < params.rows && k < params.columns) {
    dw_MK[m * params.columns + k] = sums;
  }
}

fn finish(m: u32, k: u32, sums: Eight) {
  store(m, k, sums.a);
  store(m, k + 1u, sums.b);
}

@compute @workgroup_size(8)
fn linear_tn_tall(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let k = (group.x * 8u + lane) * 2u;
  let m = group.y * HEIGHT;
  let columns = params.columns;
  if (k >= columns) {
    return;
  }
  // Rows and columns past the end are read again; their results are not stored.
  let last_m = params.rows - 1u;
  let next = min(k + 1u, columns - 1u);
  let dy0 = params.dy_offset + min(m + 0u, last_m);
  let dy1 = params.dy_offset + min(m + 1u, last_m);
  let dy2 = params.dy_offset + min(m + 2u, last_m);
  let dy3 = params.dy_offset + min(m + 3u, last_m);
  let dy4 = params.dy_offset + min(m + 4u, last_m);
  let dy5 = params.dy_offset + min(m + 5u, last_m);
  let dy6 = params.dy_offset + min(m + 6u, last_m);
  let dy7 = params.dy_offset + min(m + 7u, last_m);
  let dy8 = params.dy_offset + min(m + 8u, last_m);
  let dy9 = params.dy_offset + min(m + 9u, last_m);
  let dy10 = params.dy_offset + min(m + 10u, last_m);
  let dy11 = params.dy_offset + min(m + 11u, last_m);
  let dy12 = params.dy_offset + min(m + 12u, last_m);
  let dy13 = params.dy_offset + min(m + 13u, last_m);
  let dy14 = params.dy_offset + min(m + 14u, last_m);
  let dy15 = params.dy_offset + min(m + 15u, last_m);
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
  for (var n = 0u; n < params.inner; n++) {
    let x = Eight(x_NK[n * columns + k], x_NK[n * columns + next]);
    let row = n * params.dy_stride;
    sums0 = absorb(sums0, dy_NM[row + dy0], x);
    sums1 = absorb(sums1, dy_NM[row + dy1], x);
    sums2 = absorb(sums2, dy_NM[row + dy2], x);
    sums3 = absorb(sums3, dy_NM[row + dy3], x);
    sums4 = absorb(sums4, dy_NM[row + dy4], x);
    sums5 = absorb(sums5, dy_NM[row + dy5], x);
    sums6 = absorb(sums6, dy_NM[row + dy6], x);
    sums7 = absorb(sums7, dy_NM[row + dy7], x);
    if (HEIGHT > 8u) {
      sums8 = absorb(sums8, dy_NM[row + dy8], x);
      sums9 = absorb(sums9, dy_NM[row + dy9], x);
      sums10 = absorb(sums10, dy_NM[row + dy10], x);
      sums11 = absorb(sums11, dy_NM[row + dy11], x);
      sums12 = absorb(sums12, dy_NM[row + dy12], x);
      sums13 = absorb(sums13, dy_NM[row + dy13], x);
      sums14 = absorb(sums14, dy_NM[row + dy14], x);
      sums15 = absorb(sums15, dy_NM[row + dy15], x);
    }
  }
  finish(m + 0u, k, sums0);
  finish(m + 1u, k, sums1);
  finish(m + 2u, k, sums2);
  finish(m + 3u, k, sums3);
  finish(m + 4u, k, sums4);
  finish(m + 5u, k, sums5);
  finish(m + 6u, k, sums6);
  finish(m + 7u, k, sums7);
  if (HEIGHT > 8u) {
    finish(m + 8u, k, sums8);
    finish(m + 9u, k, sums9);
    finish(m + 10u, k, sums10);
    finish(m + 11u, k, sums11);
    finish(m + 12u, k, sums12);
    finish(m + 13u, k, sums13);
    finish(m + 14u, k, sums14);
    finish(m + 15u, k, sums15);
  }
}

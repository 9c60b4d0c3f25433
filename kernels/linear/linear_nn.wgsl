// y[n, k] = (accumulate ? y : 0) + scale * sum_m x[n, x_offset + m] * w[m, k]: the gradient of a linear layer's
// input.
//
// x_NM       f32 read        [N, x_stride], x_stride and x_offset multiples of 4; columns past M up to the
//                            next multiple of 4 hold zeros
// w_MK       FORMAT read     [M, K], K a multiple of 4, in words of two, as in linear_nt
// scales_MG  f32 read        [M, K / GROUP, rounded up] for int8 / int4, as in linear_nt; anything for other formats
// y_NK       f32 read_write  [N, K]
// grid       x: ceil(K / 4 / 8), y: ceil(N / 8 / 8)
// A thread computes 8 rows by 4 columns in registers; no workgroup memory, no barrier (software drivers).
// Accumulates in f32, one fused multiply-add after the other in the order of m: deterministic. Tolerance 1e-6 * M.
override FORMAT: u32 = 0u; // 0 f32, 1 bf16, 2 f16, 3 int8, 4 int4
override GROUP: u32 = 32u; // integers that share a scale: 32 or 64
override F16_SCALES: bool = false; // two to a word

struct Params {
  rows: u32, // N
  inner: u32, // M
  columns: u32, // K / 4
  x_stride: u32, // in groups of 4
  x_offset: u32, // in groups of 4
  accumulate: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_NM: array<vec4f>;
@group(0) @binding(2) var<storage, read> w_MK: array<vec2u>;
@group(0) @binding(3) var<storage, read> scales_MG: array<u32>;
@group(0) @binding(4) var<storage, read_write> y_NK: array<vec4f>;

// Fours of a run, to whole ones of which rows of integers are padded.
const RUN = 8u;

// The scale of row m for its four k; f16 ones are stored as 2^12 times their value.
fn scale_of(m: u32, k: u32) -> f32 {
  let groups = (4u * params.columns + GROUP - 1u) / GROUP;
  let g = 4u * k / GROUP;
  if (F16_SCALES) {
    let two = unpack2x16float(scales_MG[m * ((groups + 1u) / 2u) + g / 2u]);
    return 0x1p-12 * select(two.x, two.y, g % 2u == 1u);
  }
  return bitcast<f32>(scales_MG[m * groups + g]);
}

// Row m, columns of the four k. Integers stay in the high bits of their words, as in linear_nt.
fn weight(m: u32, k: u32) -> vec4f {
  if (FORMAT >= 3u) {
    return integers(m * ((params.columns + RUN - 1u) / RUN * RUN) + k, scale_of(m, k));
  }
  let i = m * params.columns + k;
  if (FORMAT == 0u) {
    return vec4f(bitcast<vec2f>(w_MK[2u * i]), bitcast<vec2f>(w_MK[2u * i + 1u]));
  }
  let p = w_MK[i];
  if (FORMAT == 1u) {
    return bitcast<vec4f>(vec4u(p.x * 0x10000u, p.x & 0xffff0000u, p.y * 0x10000u, p.y & 0xffff0000u));
  }
  return vec4f(unpack2x16float(p.x), unpack2x16float(p.y));
}

fn integers(i: u32, scale: f32) -> vec4f {
  if (FORMAT == 3u) {
    let p = w_MK[i >> 1u][i & 1u];
    let q = vec4u(p * 0x1000000u, p * 0x10000u, p * 0x100u, p) & vec4u(0xff000000u);
    return scale * 0x1p-24 * vec4f(bitcast<vec4i>(q));
  }
  let p = w_MK[i >> 2u][(i >> 1u) & 1u] * select(0x10000u, 1u, (i & 1u) == 1u);
  let q = vec4u(p * 0x1000u, p * 0x100u, p * 0x10u, p) & vec4u(0xf0000000u);
  return scale * 0x1p-28 * vec4f(bitcast<vec4i>(q));
}

// One row's sums over four more m: w holds four weight rows.
fn absorb(sums: vec4f, x: vec4f, w: mat4x4f) -> vec4f {
  return fma(vec4f(x.w), w[3], fma(vec4f(x.z), w[2], fma(vec4f(x.y), w[1], fma(vec4f(x.x), w[0], sums))));
}

fn store(n: u32, k: u32, acc: vec4f) {
  if (n >= params.rows) {
    return;
  }
  let at = n * params.columns + k;
  if (params.accumulate != 0u) {
    y_NK[at] += params.scale * acc;
  } else {
    y_NK[at] = params.scale * acc;
  }
}

@compute @workgroup_size(8, 8)
fn linear_nn(@builtin(global_invocation_id) id: vec3u) {
  let k = id.x;
  let n = id.y * 8u;
  if (k >= params.columns || n >= params.rows) {
    return;
  }
  let last_n = params.rows - 1u;
  let last_m = params.inner - 1u;
  let x0 = n * params.x_stride + params.x_offset;
  let x1 = min(n + 1u, last_n) * params.x_stride + params.x_offset;
  let x2 = min(n + 2u, last_n) * params.x_stride + params.x_offset;
  let x3 = min(n + 3u, last_n) * params.x_stride + params.x_offset;
  let x4 = min(n + 4u, last_n) * params.x_stride + params.x_offset;
  let x5 = min(n + 5u, last_n) * params.x_stride + params.x_offset;
  let x6 = min(n + 6u, last_n) * params.x_stride + params.x_offset;
  let x7 = min(n + 7u, last_n) * params.x_stride + params.x_offset;
  var acc0 = vec4f();
  var acc1 = vec4f();
  var acc2 = vec4f();
  var acc3 = vec4f();
  var acc4 = vec4f();
  var acc5 = vec4f();
  var acc6 = vec4f();
  var acc7 = vec4f();
  for (var i = 0u; i < (params.inner + 3u) / 4u; i++) {
    let m = i * 4u;
    // Weight rows past the end meet the zeros of x's padding.
    let w = mat4x4f(
      weight(m, k),
      weight(min(m + 1u, last_m), k),
      weight(min(m + 2u, last_m), k),
      weight(min(m + 3u, last_m), k),
    );
    acc0 = absorb(acc0, x_NM[x0 + i], w);
    acc1 = absorb(acc1, x_NM[x1 + i], w);
    acc2 = absorb(acc2, x_NM[x2 + i], w);
    acc3 = absorb(acc3, x_NM[x3 + i], w);
    acc4 = absorb(acc4, x_NM[x4 + i], w);
    acc5 = absorb(acc5, x_NM[x5 + i], w);
    acc6 = absorb(acc6, x_NM[x6 + i], w);
    acc7 = absorb(acc7, x_NM[x7 + i], w);
  }
  store(n, k, acc0);
  store(n + 1u, k, acc1);
  store(n + 2u, k, acc2);
  store(n + 3u, k, acc3);
  store(n + 4u, k, acc4);
  store(n + 5u, k, acc5);
  store(n + 6u, k, acc6);
  store(n + 7u, k, acc7);
}

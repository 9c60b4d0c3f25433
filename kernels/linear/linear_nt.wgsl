// y[n, y_offset + m] = scale * sum_k x[n, k] * w[m, k] + bias[y_offset + m] + residual[n, y_offset + m]
// GATED: y[n, m] = silu(g) * u, g and u the products with rows m and M + m of w, as activation/swiglu_fwd
//
// x_NK         f32 read        [N, K], K a multiple of 4
// w_MK         FORMAT read     [M, K], with GATED [2 M, K], in words of two: f32; bf16 / f16 packed two to a u32; or
//                              int8 / int4 packed four / eight to a u32, each row padded to a multiple of 32
// scales_MG    f32 read        [M, K / GROUP, rounded up] for int8 / int4, whose values are scale * integer;
//                              f16 ones two to a u32, rows padded; anything for other formats
// bias_Y       f32 read        [Y]; anything without HAS_BIAS
// residual_NY  f32 read        [N, Y]; anything without HAS_RESIDUAL
// y_NY         f32 read_write  [N, Y]; its own residual with ACCUMULATE
// grid         x: ceil(rows of w / 4 / 8), y: ceil(N / ROWS)
// A thread computes ROWS rows by 4 columns in registers; no workgroup memory, no barrier (software drivers). All
// threads of a workgroup share their rows, whose loads are then uniform. Accumulates in f32, one fused
// multiply-add after the other in the order of k: deterministic, and the same bits for every ROWS. Tolerance
// 1e-6 * K.
override FORMAT: u32 = 0u; // 0 f32, 1 bf16, 2 f16, 3 int8, 4 int4
override GROUP: u32 = 32u; // integers that share a scale: 32 or 64
override F16_SCALES: bool = false; // two to a word
override ROWS: u32 = 8u; // 1, 4 or 8
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;
override ACCUMULATE: bool = false;
override GATED: bool = false; // without the other three

struct Params {
  rows: u32, // N
  inner: u32, // K / 4
  columns: u32, // M
  y_stride: u32, // Y
  y_offset: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_NK: array<vec4f>;
@group(0) @binding(2) var<storage, read> w_MK: array<vec2u>;
@group(0) @binding(3) var<storage, read> scales_MG: array<u32>;
@group(0) @binding(4) var<storage, read> bias_Y: array<f32>;
@group(0) @binding(5) var<storage, read> residual_NY: array<f32>;
@group(0) @binding(6) var<storage, read_write> y_NY: array<f32>;

// Fours of a run: rows of integers are padded to whole ones, and each has one scale.
const RUN = 8u;

// The scale of row m for its four k; f16 ones are stored as 2^12 times their value.
fn scale_of(m: u32, k: u32) -> f32 {
  let groups = (4u * params.inner + GROUP - 1u) / GROUP;
  let g = 4u * k / GROUP;
  if (F16_SCALES) {
    let two = unpack2x16float(scales_MG[m * ((groups + 1u) / 2u) + g / 2u]);
    return 0x1p-12 * select(two.x, two.y, g % 2u == 1u);
  }
  return bitcast<f32>(scales_MG[m * groups + g]);
}

// Four weights. Integers stay in the high bits of their words, because software drivers multiply faster than they
// shift; `scale` makes up for it.
fn weight(i: u32, scale: f32) -> vec4f {
  if (FORMAT == 0u) {
    return vec4f(bitcast<vec2f>(w_MK[2u * i]), bitcast<vec2f>(w_MK[2u * i + 1u]));
  }
  if (FORMAT == 3u) {
    let p = w_MK[i >> 1u][i & 1u];
    let q = vec4u(p * 0x1000000u, p * 0x10000u, p * 0x100u, p) & vec4u(0xff000000u);
    return scale * vec4f(bitcast<vec4i>(q));
  }
  if (FORMAT == 4u) {
    let p = w_MK[i >> 2u][(i >> 1u) & 1u] * select(0x10000u, 1u, (i & 1u) == 1u);
    let q = vec4u(p * 0x1000u, p * 0x100u, p * 0x10u, p) & vec4u(0xf0000000u);
    return scale * vec4f(bitcast<vec4i>(q));
  }
  let p = w_MK[i];
  if (FORMAT == 1u) {
    return bitcast<vec4f>(vec4u(p.x * 0x10000u, p.x & 0xffff0000u, p.y * 0x10000u, p.y & 0xffff0000u));
  }
  return vec4f(unpack2x16float(p.x), unpack2x16float(p.y));
}

fn multiply_add(x: vec4f, w: vec4f, sum: f32) -> f32 {
  return fma(x.w, w.w, fma(x.z, w.z, fma(x.y, w.y, fma(x.x, w.x, sum))));
}

// One row's sums over four more k of four columns.
fn absorb(sums: vec4f, x: vec4f, w: Columns) -> vec4f {
  return vec4f(
    multiply_add(x, w.a, sums.x),
    multiply_add(x, w.b, sums.y),
    multiply_add(x, w.c, sums.z),
    multiply_add(x, w.d, sums.w),
  );
}

struct Columns {
  a: vec4f,
  b: vec4f,
  c: vec4f,
  d: vec4f,
}

fn store(n: u32, m: u32, sums: vec4f) {
  if (n >= params.rows) {
    return;
  }
  let at = n * params.y_stride + params.y_offset + m;
  if (GATED) {
    for (var j = 0u; j < min(2u, params.columns - m); j++) {
      let gate = params.scale * sums[j];
      y_NY[at + j] = gate / (1.0 + exp(-gate)) * (params.scale * sums[j + 2u]);
    }
    return;
  }
  for (var j = 0u; j < min(4u, params.columns - m); j++) {
    var value = params.scale * sums[j];
    if (HAS_BIAS) {
      value += bias_Y[params.y_offset + m + j];
    }
    if (HAS_RESIDUAL) {
      value += residual_NY[at + j];
    }
    if (ACCUMULATE) {
      value += y_NY[at + j];
    }
    y_NY[at + j] = value;
  }
}

@compute @workgroup_size(8)
fn linear_nt(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m = (group.x * 8u + lane) * select(4u, 2u, GATED);
  let n = group.y * ROWS;
  if (m >= params.columns) {
    return;
  }
  let inner = params.inner;
  // Rows past the end read the last row again; their results are not stored.
  let last_n = params.rows - 1u;
  let last_m = params.columns - 1u;
  let x0 = n * inner;
  let x1 = min(n + 1u, last_n) * inner;
  let x2 = min(n + 2u, last_n) * inner;
  let x3 = min(n + 3u, last_n) * inner;
  let x4 = min(n + 4u, last_n) * inner;
  let x5 = min(n + 5u, last_n) * inner;
  let x6 = min(n + 6u, last_n) * inner;
  let x7 = min(n + 7u, last_n) * inner;
  let m1 = min(m + 1u, last_m);
  let m2 = select(min(m + 2u, last_m), params.columns + m, GATED);
  let m3 = select(min(m + 3u, last_m), params.columns + m1, GATED);
  let runs = (inner + RUN - 1u) / RUN;
  let stride = select(inner, runs * RUN, FORMAT >= 3u);
  let w0 = m * stride;
  let w1 = m1 * stride;
  let w2 = m2 * stride;
  let w3 = m3 * stride;
  var sums0 = vec4f();
  var sums1 = vec4f();
  var sums2 = vec4f();
  var sums3 = vec4f();
  var sums4 = vec4f();
  var sums5 = vec4f();
  var sums6 = vec4f();
  var sums7 = vec4f();
  // A row of floats is one run.
  let last = select(1u, runs, FORMAT >= 3u);
  for (var run = 0u; run < last; run++) {
    var scale = vec4f();
    var end = inner;
    if (FORMAT >= 3u) {
      scale = vec4f(
        scale_of(m, run * RUN),
        scale_of(m1, run * RUN),
        scale_of(m2, run * RUN),
        scale_of(m3, run * RUN),
      ) * select(0x1p-24, 0x1p-28, FORMAT == 4u);
      end = min(inner, (run + 1u) * RUN);
    }
    for (var k = run * RUN; k < end; k++) {
      let w = Columns(
        weight(w0 + k, scale.x),
        weight(w1 + k, scale.y),
        weight(w2 + k, scale.z),
        weight(w3 + k, scale.w),
      );
      sums0 = absorb(sums0, x_NK[x0 + k], w);
      if (ROWS > 1u) {
        sums1 = absorb(sums1, x_NK[x1 + k], w);
        sums2 = absorb(sums2, x_NK[x2 + k], w);
        sums3 = absorb(sums3, x_NK[x3 + k], w);
      }
      if (ROWS > 4u) {
        sums4 = absorb(sums4, x_NK[x4 + k], w);
        sums5 = absorb(sums5, x_NK[x5 + k], w);
        sums6 = absorb(sums6, x_NK[x6 + k], w);
        sums7 = absorb(sums7, x_NK[x7 + k], w);
      }
    }
  }
  store(n, m, sums0);
  if (ROWS > 1u) {
    store(n + 1u, m, sums1);
    store(n + 2u, m, sums2);
    store(n + 3u, m, sums3);
  }
  if (ROWS > 4u) {
    store(n + 4u, m, sums4);
    store(n + 5u, m, sums5);
    store(n + 6u, m, sums6);
    store(n + 7u, m, sums7);
  }
}

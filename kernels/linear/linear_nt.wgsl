// y[n, y_offset + m] = (accumulate ? y : 0) + sum_k x[n, k] * w[m, k] + bias[y_offset + m]
//
// x_NK    f32 read        [N, K], K a multiple of 4
// w_MK    FORMAT read     [M, K], in words of two: f32, or bf16 / f16 packed two to a u32
// bias_M  f32 read        [y_stride]; unused without HAS_BIAS
// y_NY    f32 read_write  [N, y_stride]
// grid    x: ceil(M / 4 / 8), y: ceil(N / 8 / 8)
// A thread computes 8 rows by 4 columns in registers; no workgroup memory, no barrier (software drivers).
// Accumulates in f32 in the order of k, the same for every tile: deterministic. Tolerance 1e-6 * K.
override FORMAT: u32 = 0u; // 0 f32, 1 bf16, 2 f16
override HAS_BIAS: bool = false;

struct Params {
  rows: u32, // N
  inner: u32, // K / 4
  columns: u32, // M
  y_stride: u32,
  y_offset: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_NK: array<vec4f>;
@group(0) @binding(2) var<storage, read> w_MK: array<vec2u>;
@group(0) @binding(3) var<storage, read> bias_M: array<f32>;
@group(0) @binding(4) var<storage, read_write> y_NY: array<f32>;

fn weight(i: u32) -> vec4f {
  if (FORMAT == 0u) {
    return vec4f(bitcast<vec2f>(w_MK[2u * i]), bitcast<vec2f>(w_MK[2u * i + 1u]));
  }
  let p = w_MK[i];
  if (FORMAT == 1u) {
    return bitcast<vec4f>(vec4u(p.x << 16u, p.x & 0xffff0000u, p.y << 16u, p.y & 0xffff0000u));
  }
  return vec4f(unpack2x16float(p.x), unpack2x16float(p.y));
}

fn store(n: u32, m: u32, acc: vec4f) {
  if (n >= params.rows) {
    return;
  }
  let at = n * params.y_stride + params.y_offset + m;
  for (var j = 0u; j < min(4u, params.columns - m); j++) {
    var value = acc[j];
    if (HAS_BIAS) {
      value += bias_M[params.y_offset + m + j];
    }
    if (params.accumulate != 0u) {
      value += y_NY[at + j];
    }
    y_NY[at + j] = value;
  }
}

@compute @workgroup_size(8, 8)
fn linear_nt(@builtin(global_invocation_id) id: vec3u) {
  let m = id.x * 4u;
  let n = id.y * 8u;
  if (m >= params.columns || n >= params.rows) {
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
  let w0 = m * inner;
  let w1 = min(m + 1u, last_m) * inner;
  let w2 = min(m + 2u, last_m) * inner;
  let w3 = min(m + 3u, last_m) * inner;
  var acc0 = vec4f();
  var acc1 = vec4f();
  var acc2 = vec4f();
  var acc3 = vec4f();
  var acc4 = vec4f();
  var acc5 = vec4f();
  var acc6 = vec4f();
  var acc7 = vec4f();
  for (var k = 0u; k < inner; k++) {
    // A row vector times this matrix is its product with each of the four weight rows.
    let w = mat4x4f(weight(w0 + k), weight(w1 + k), weight(w2 + k), weight(w3 + k));
    acc0 += x_NK[x0 + k] * w;
    acc1 += x_NK[x1 + k] * w;
    acc2 += x_NK[x2 + k] * w;
    acc3 += x_NK[x3 + k] * w;
    acc4 += x_NK[x4 + k] * w;
    acc5 += x_NK[x5 + k] * w;
    acc6 += x_NK[x6 + k] * w;
    acc7 += x_NK[x7 + k] * w;
  }
  store(n, m, acc0);
  store(n + 1u, m, acc1);
  store(n + 2u, m, acc2);
  store(n + 3u, m, acc3);
  store(n + 4u, m, acc4);
  store(n + 5u, m, acc5);
  store(n + 6u, m, acc6);
  store(n + 7u, m, acc7);
}

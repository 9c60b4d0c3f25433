// y[n, y_offset + m] = scale * sum_k x[n, k] * w[m, k] + bias[y_offset + m] + residual[n, y_offset + m]
// GATED: y[n, m] = silu(g) * u, g and u the products with rows m and M + m of w, as activation/swiglu_fwd;
// for few rows, on GPUs: the threads of a workgroup split the k, so that even a narrow layer keeps enough loads in
// flight to be bound by memory.
//
// x_NK         f32 read        [N, K], K a multiple of the weights in 16 bytes
// w_MK         FORMAT read     [M, K], with GATED [2 M, K], in words of four: f32; bf16 / f16 packed two to a u32; or int8 / int4 packed
//                              four / eight to a u32, each row padded to whole groups of 32
// scales_MG    f32 read        [M, K / 32, rounded up] for int8 / int4, whose values are scale * integer;
//                              anything for other formats
// bias_Y       f32 read        [Y]; anything without HAS_BIAS
// residual_NY  f32 read        [N, Y]; anything without HAS_RESIDUAL
// y_NY         f32 read_write  [N, Y]; its own residual with ACCUMULATE
// grid         x: ceil(N / ROWS), so that blocks of rows meet the weights in the cache; y: ceil(rows of w / 4)
// A workgroup computes ROWS rows by 4 columns. Thread t sums units t, t + 128, ... of 16 bytes of each weight row, in
// f32; 128 sums are then added in a fixed order: deterministic, and the same bits for every ROWS, though not those
// of linear_nt. Tolerance 1e-6 * sqrt(K).
override FORMAT: u32 = 0u; // 0 f32, 1 bf16, 2 f16, 3 int8, 4 int4
override ROWS: u32 = 8u; // 1, 4 or 8
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;
override ACCUMULATE: bool = false;
override GATED: bool = false; // without the other three
const THREADS = 128u;
const PER_SUM = 8u; // partial sums that a thread adds in the first stage
const SUMS = THREADS / PER_SUM;

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
@group(0) @binding(2) var<storage, read> w_MK: array<vec4u>;
@group(0) @binding(3) var<storage, read> scales_MG: array<f32>;
@group(0) @binding(4) var<storage, read> bias_Y: array<f32>;
@group(0) @binding(5) var<storage, read> residual_NY: array<f32>;
@group(0) @binding(6) var<storage, read_write> y_NY: array<f32>;

// The sums of 4 columns, for each row and thread.
var<workgroup> partial: array<vec4f, ROWS * THREADS>;

// Four weights, the q-th of a unit of 16 bytes.
fn weights(p: vec4u, q: u32, scale: f32) -> vec4f {
  switch (FORMAT) {
    case 0u: {
      return bitcast<vec4f>(p);
    }
    case 1u: {
      let two = select(p.xy, p.zw, q > 0u);
      return bitcast<vec4f>(vec4u(two.x << 16u, two.x & 0xffff0000u, two.y << 16u, two.y & 0xffff0000u));
    }
    case 2u: {
      let two = select(p.xy, p.zw, q > 0u);
      return vec4f(unpack2x16float(two.x), unpack2x16float(two.y));
    }
    case 3u: {
      let bits = vec4u(p[q]) << vec4u(24u, 16u, 8u, 0u);
      return scale * vec4f(bitcast<vec4i>(bits) >> vec4u(24u));
    }
    default: {
      let bits = vec4u(p[q / 2u] >> (16u * (q % 2u))) << vec4u(28u, 24u, 20u, 16u);
      return scale * vec4f(bitcast<vec4i>(bits) >> vec4u(28u));
    }
  }
}

// The scale of row m for a unit; those of integers have 16 or 32 values.
fn scale_of(m: u32, unit: u32) -> f32 {
  if (FORMAT < 3u) {
    return 1.0;
  }
  let groups = (params.inner + 7u) / 8u;
  return scales_MG[m * groups + select(unit / 2u, unit, FORMAT == 4u)];
}

fn store(n: u32, m: u32, sums: vec4f) {
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

@compute @workgroup_size(THREADS)
fn linear_nt_split(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  let n = group.x * ROWS;
  let m = group.y * select(4u, 2u, GATED);
  let quads = array(1u, 2u, 2u, 4u, 8u)[FORMAT]; // of a unit
  let units = params.inner / quads;
  var stride = units; // of a row of w
  if (FORMAT >= 3u) {
    stride = (params.inner + 7u) / 8u * 8u / quads;
  }
  // Rows and columns past the end are read again; their results are not stored.
  let last_n = params.rows - 1u;
  var columns = min(vec4u(m) + vec4u(0u, 1u, 2u, 3u), vec4u(params.columns - 1u));
  if (GATED) {
    columns = vec4u(columns.xy, columns.xy + params.columns);
  }
  var sums: array<vec4f, 8>;
  for (var u = t; u < units; u += THREADS) {
    let a = w_MK[columns.x * stride + u];
    let b = w_MK[columns.y * stride + u];
    let c = w_MK[columns.z * stride + u];
    let d = w_MK[columns.w * stride + u];
    let sa = scale_of(columns.x, u);
    let sb = scale_of(columns.y, u);
    let sc = scale_of(columns.z, u);
    let sd = scale_of(columns.w, u);
    for (var q = 0u; q < quads; q++) {
      // A row vector times this matrix is its product with each of the four weight rows.
      let w = mat4x4f(weights(a, q, sa), weights(b, q, sb), weights(c, q, sc), weights(d, q, sd));
      for (var r = 0u; r < ROWS; r++) {
        sums[r] += x_NK[min(n + r, last_n) * params.inner + u * quads + q] * w;
      }
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    partial[r * THREADS + t] = sums[r];
  }
  workgroupBarrier();
  // A thread adds every SUMS-th partial sum, and writes where only it has read.
  for (var i = t; i < ROWS * SUMS; i += THREADS) {
    let at = i / SUMS * THREADS + i % SUMS;
    var sum = vec4f();
    for (var j = 0u; j < PER_SUM; j++) {
      sum += partial[at + j * SUMS];
    }
    partial[at] = sum;
  }
  workgroupBarrier();
  if (t < ROWS && n + t < params.rows) {
    var sum = vec4f();
    for (var j = 0u; j < SUMS; j++) {
      sum += partial[t * THREADS + j];
    }
    store(n + t, m, sum);
  }
}

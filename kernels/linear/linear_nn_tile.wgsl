// As linear_nn, on GPUs: a workgroup stages a tile of both matrices in its memory, each thread sums in registers.
// y[n, k] = (accumulate ? y : 0) + scale * sum_m x[n, x_offset + m] * w[m, k]
//
// x_NM       f32 read        [N, x_stride], x_stride and x_offset multiples of 4; columns past M up to the
//                            next multiple of 4 hold zeros
// w_MK       FORMAT read     [M, K], K a multiple of 4, in words of two, as in linear_nt
// scales_MG  f32 read        [M, K / GROUP, rounded up] for int8 / int4, as in linear_nt; anything for other formats
// y_NK       f32 read_write  [N, K]
// grid       x: 8, y: ceil(K / 64), z: ceil(N / TILE_ROWS / 8), as in linear_nt_tile
// A workgroup computes TILE_ROWS rows by 64 columns, a thread TILE_ROWS / 8 rows by 4 columns, as in linear_nt_tile,
// where the arithmetic is; with 32 registers of sums and no totals 8 workgroups share a register file.
// Accumulates in f32, one fused multiply-add after the other in the order of m: deterministic. Tolerance 1e-6 * M.
override FORMAT: u32 = 0u; // 0 f32, 1 bf16, 2 f16, 3 int8, 4 int4
override GROUP: u32 = 32u; // integers that share a scale: 32 or 64
override F16_SCALES: bool = false; // two to a word
override TILE_ROWS: u32 = 64u; // 32 or 64
const ACROSS = 16u; // threads that share rows, each with four columns
const STEP = 4u; // fours of m that are staged at a time

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

// By m: fours of rows; fours of columns.
var<workgroup> x_tile: array<vec4f, TILE_ROWS * STEP>;
var<workgroup> w_tile: array<vec4f, 4u * ACROSS * STEP>;

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

// Row m, the k-th four.
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
    return bitcast<vec4f>(vec4u(p.x << 16u, p.x & 0xffff0000u, p.y << 16u, p.y & 0xffff0000u));
  }
  return vec4f(unpack2x16float(p.x), unpack2x16float(p.y));
}

fn integers(i: u32, scale: f32) -> vec4f {
  if (FORMAT == 3u) {
    let bits = vec4u(w_MK[i >> 1u][i & 1u]) << vec4u(24u, 16u, 8u, 0u);
    return scale * vec4f(bitcast<vec4i>(bits) >> vec4u(24u));
  }
  let bits = vec4u(w_MK[i >> 2u][(i >> 1u) & 1u] >> (16u * (i & 1u))) << vec4u(28u, 24u, 20u, 16u);
  return scale * vec4f(bitcast<vec4i>(bits) >> vec4u(28u));
}

// Rows past the end are read again, their results are not stored; what is past the end of the sum is zero.
fn x_four(n: u32, m: u32) -> vec4f {
  if (4u * m >= params.inner) {
    return vec4f();
  }
  return x_NM[min(n, params.rows - 1u) * params.x_stride + params.x_offset + m];
}

fn w_four(m: u32, k: u32) -> vec4f {
  if (m >= params.inner) {
    return vec4f();
  }
  return weight(m, min(k, params.columns - 1u));
}

// Half of the threads stage w, half x, turning four fours of m into fours of rows.
fn stage(n: u32, k: u32, first: u32, t: u32) {
  let i = t % ACROSS;
  let four = t / ACROSS % STEP;
  if (t >= ACROSS * STEP) {
    let m = 4u * (first + four);
    let at = 4u * four * ACROSS + i;
    w_tile[at] = w_four(m, k + i);
    w_tile[at + ACROSS] = w_four(m + 1u, k + i);
    w_tile[at + 2u * ACROSS] = w_four(m + 2u, k + i);
    w_tile[at + 3u * ACROSS] = w_four(m + 3u, k + i);
  } else if (i < TILE_ROWS / 4u) {
    let row = n + 4u * i;
    let m = first + four;
    let at = four * TILE_ROWS + i;
    let x = transpose(mat4x4f(x_four(row, m), x_four(row + 1u, m), x_four(row + 2u, m), x_four(row + 3u, m)));
    x_tile[at] = x[0];
    x_tile[at + TILE_ROWS / 4u] = x[1];
    x_tile[at + TILE_ROWS / 2u] = x[2];
    x_tile[at + TILE_ROWS / 4u * 3u] = x[3];
  }
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

@compute @workgroup_size(128)
fn linear_nn_tile(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  let n = (group.z * 8u + group.x) * TILE_ROWS;
  let k = group.y * ACROSS;
  if (n >= params.rows) {
    return;
  }
  let across = t % ACROSS;
  let down = t / ACROSS;
  var sums0 = vec4f();
  var sums1 = vec4f();
  var sums2 = vec4f();
  var sums3 = vec4f();
  var sums4 = vec4f();
  var sums5 = vec4f();
  var sums6 = vec4f();
  var sums7 = vec4f();
  for (var first = 0u; first < (params.inner + 3u) / 4u; first += STEP) {
    stage(n, k, first, t);
    workgroupBarrier();
    for (var m = 0u; m < 4u * STEP; m++) {
      let w = w_tile[m * ACROSS + across];
      let at = m * (TILE_ROWS / 4u) + down * (TILE_ROWS / 32u);
      let a = x_tile[at];
      sums0 = fma(vec4f(a.x), w, sums0);
      sums1 = fma(vec4f(a.y), w, sums1);
      sums2 = fma(vec4f(a.z), w, sums2);
      sums3 = fma(vec4f(a.w), w, sums3);
      if (TILE_ROWS > 32u) {
        let b = x_tile[at + 1u];
        sums4 = fma(vec4f(b.x), w, sums4);
        sums5 = fma(vec4f(b.y), w, sums5);
        sums6 = fma(vec4f(b.z), w, sums6);
        sums7 = fma(vec4f(b.w), w, sums7);
      }
    }
    workgroupBarrier();
  }
  let row = n + down * (TILE_ROWS / 8u);
  store(row, k + across, sums0);
  store(row + 1u, k + across, sums1);
  store(row + 2u, k + across, sums2);
  store(row + 3u, k + across, sums3);
  if (TILE_ROWS > 32u) {
    store(row + 4u, k + across, sums4);
    store(row + 5u, k + across, sums5);
    store(row + 6u, k + across, sums6);
    store(row + 7u, k + across, sums7);
  }
}

// y[n, y_offset + m] = scale * sum_k x[n, k] * w[m, k] + bias[y_offset + m] + residual[n, y_offset + m]
// GATED: y[n, m] = silu(g) * u, g and u the products with rows m and M + m of w, as activation/swiglu_fwd;
// for many rows, on GPUs: a workgroup stages a tile of both matrices in its memory, each thread sums in registers.
//
// x_NK         f32 read        [N, K], K a multiple of 4
// w_MK         FORMAT read     [M, K], with GATED [2 M, K], in words of two, as in linear_nt
// scales_MG    f32 read        [M, K / GROUP, rounded up] for int8 / int4, as in linear_nt; anything for other formats
// bias_Y       f32 read        [Y]; anything without HAS_BIAS
// residual_NY  f32 read        [N, Y]; anything without HAS_RESIDUAL
// y_NY         f32 read_write  [N, Y]; its own residual with ACCUMULATE
// grid         x: 8, y: ceil(rows of w / 64), z: ceil(N / TILE_ROWS / 8): eight tiles of rows go along the columns
//              together, so that those in flight share what they read in the cache
// A workgroup computes TILE_ROWS rows by 64 columns, a thread TILE_ROWS / 8 rows by 4 columns. For 64 rows and a step
// of 16 k: 8 KiB staged for 131,072 operations, 16 for a byte; 3 loads of 16 bytes from workgroup memory for 32
// multiply-adds of a thread; 64 registers of sums and totals and about 30 more, so that 5 workgroups of 128 threads
// share a file of 65,536 registers and hide each other's barriers. 8 by 8 would load less, but its 128 registers of
// sums spill on GPUs that have no more.
// Accumulates in f32, one fused multiply-add after the other in the order of k for 64 k at a time, whose sums are
// added in order: deterministic, with the bits of linear_nt_split, so that what is sampled has the numbers that
// training gives it. Tolerance 1e-6 * sqrt(K).
override FORMAT: u32 = 0u; // 0 f32, 1 bf16, 2 f16, 3 int8, 4 int4
override GROUP: u32 = 32u; // integers that share a scale: 32 or 64
override F16_SCALES: bool = false; // two to a word
override TILE_ROWS: u32 = 64u; // 32 or 64
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;
override ACCUMULATE: bool = false;
override GATED: bool = false; // without the other three
const ACROSS = 16u; // threads that share rows; a thread's columns are as far apart, so that stores are coalesced
const STEP = 4u; // fours of k that are staged at a time
const BLOCK = 16u; // fours of k that are summed in one chain

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

// By k: fours of rows; the four columns of each thread across.
var<workgroup> x_tile: array<vec4f, TILE_ROWS * STEP>;
var<workgroup> w_tile: array<vec4f, 4u * ACROSS * STEP>;

// Fours of a run, to whole ones of which rows of integers are padded.
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

// Row m, the k-th four.
fn weight(m: u32, k: u32) -> vec4f {
  if (FORMAT >= 3u) {
    return integers(m * ((params.inner + RUN - 1u) / RUN * RUN) + k, scale_of(m, k));
  }
  let i = m * params.inner + k;
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

// Rows past the end are read again, their results are not stored; what is past the end of a row is zero.
fn x_four(n: u32, k: u32) -> vec4f {
  if (k >= params.inner) {
    return vec4f();
  }
  return x_NK[min(n, params.rows - 1u) * params.inner + k];
}

// For a column of the workgroup whose first is m; the second half are ups with GATED.
fn w_four(m: u32, column: u32, k: u32) -> vec4f {
  if (k >= params.inner) {
    return vec4f();
  }
  if (GATED && column >= 2u * ACROSS) {
    return weight(params.columns + min(m + column - 2u * ACROSS, params.columns - 1u), k);
  }
  return weight(min(m + column, params.columns - 1u), k);
}

// Half of the threads stage x, half w; each turns four fours of k into fours of rows or columns.
fn stage(n: u32, m: u32, first: u32, t: u32) {
  let i = t % ACROSS;
  let four = t / ACROSS % STEP;
  let k = first + four;
  if (t >= ACROSS * STEP) {
    let at = 4u * four * ACROSS + i;
    let w = transpose(mat4x4f(
      w_four(m, i, k),
      w_four(m, i + ACROSS, k),
      w_four(m, i + 2u * ACROSS, k),
      w_four(m, i + 3u * ACROSS, k),
    ));
    w_tile[at] = w[0];
    w_tile[at + ACROSS] = w[1];
    w_tile[at + 2u * ACROSS] = w[2];
    w_tile[at + 3u * ACROSS] = w[3];
  } else if (i < TILE_ROWS / 4u) {
    let row = n + 4u * i;
    let at = four * TILE_ROWS + i;
    let x = transpose(mat4x4f(x_four(row, k), x_four(row + 1u, k), x_four(row + 2u, k), x_four(row + 3u, k)));
    x_tile[at] = x[0];
    x_tile[at + TILE_ROWS / 4u] = x[1];
    x_tile[at + TILE_ROWS / 2u] = x[2];
    x_tile[at + TILE_ROWS / 4u * 3u] = x[3];
  }
}

fn store(n: u32, m: u32, sums: vec4f) {
  if (n >= params.rows) {
    return;
  }
  let at = n * params.y_stride + params.y_offset;
  if (GATED) {
    for (var j = 0u; j < 2u; j++) {
      let column = m + j * ACROSS;
      if (column < params.columns) {
        let gate = params.scale * sums[j];
        y_NY[at + column] = gate / (1.0 + exp(-gate)) * (params.scale * sums[j + 2u]);
      }
    }
    return;
  }
  for (var j = 0u; j < 4u; j++) {
    let column = m + j * ACROSS;
    if (column < params.columns) {
      var value = params.scale * sums[j];
      if (HAS_BIAS) {
        value += bias_Y[params.y_offset + column];
      }
      if (HAS_RESIDUAL) {
        value += residual_NY[at + column];
      }
      if (ACCUMULATE) {
        value += y_NY[at + column];
      }
      y_NY[at + column] = value;
    }
  }
}

@compute @workgroup_size(128)
fn linear_nt_tile(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  let n = (group.z * 8u + group.x) * TILE_ROWS;
  let m = group.y * ACROSS * select(4u, 2u, GATED);
  if (n >= params.rows) {
    return;
  }
  let across = t % ACROSS;
  let down = t / ACROSS;
  var total0 = vec4f();
  var total1 = vec4f();
  var total2 = vec4f();
  var total3 = vec4f();
  var total4 = vec4f();
  var total5 = vec4f();
  var total6 = vec4f();
  var total7 = vec4f();
  for (var block = 0u; block < params.inner; block += BLOCK) {
    var sums0 = vec4f();
    var sums1 = vec4f();
    var sums2 = vec4f();
    var sums3 = vec4f();
    var sums4 = vec4f();
    var sums5 = vec4f();
    var sums6 = vec4f();
    var sums7 = vec4f();
    for (var first = block; first < min(block + BLOCK, params.inner); first += STEP) {
      stage(n, m, first, t);
      workgroupBarrier();
      for (var k = 0u; k < 4u * STEP; k++) {
        let w = w_tile[k * ACROSS + across];
        let at = k * (TILE_ROWS / 4u) + down * (TILE_ROWS / 32u);
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
    total0 += sums0;
    total1 += sums1;
    total2 += sums2;
    total3 += sums3;
    total4 += sums4;
    total5 += sums5;
    total6 += sums6;
    total7 += sums7;
  }
  let row = n + down * (TILE_ROWS / 8u);
  store(row, m + across, total0);
  store(row + 1u, m + across, total1);
  store(row + 2u, m + across, total2);
  store(row + 3u, m + across, total3);
  if (TILE_ROWS > 32u) {
    store(row + 4u, m + across, total4);
    store(row + 5u, m + across, total5);
    store(row + 6u, m + across, total6);
    store(row + 7u, m + across, total7);
  }
}

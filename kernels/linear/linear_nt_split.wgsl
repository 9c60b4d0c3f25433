// y[n, y_offset + m] = scale * sum_k x[n, k] * w[m, k] + bias[y_offset + m] + residual[n, y_offset + m]
// GATED: y[n, m] = silu(g) * u, g and u the products with rows m and M + m of w, as activation/swiglu_fwd;
// for few rows, on GPUs: the threads of a workgroup split the k, so that even a narrow layer keeps enough loads in
// flight to be bound by memory.
//
// x_NK         f32 read        [N, K], K a multiple of the weights in 16 bytes
// w_MK         FORMAT read     [M, K], with GATED [2 M, K], in words of four: f32; bf16 / f16 packed two to a u32; or
//                              int8 / int4 packed four / eight to a u32, each row padded to a multiple of 32
// scales_MG    f32 read        [M, K / GROUP, rounded up] for int8 / int4, whose values are scale * integer;
//                              f16 ones two to a u32, rows padded; anything for other formats
// bias_Y       f32 read        [Y]; anything without HAS_BIAS
// residual_NY  f32 read        [N, Y]; anything without HAS_RESIDUAL
// y_NY         f32 read_write  [N, Y]; its own residual with ACCUMULATE
// grid         x: ceil(N / ROWS), so that blocks of rows meet the weights in the cache; y: ceil(rows of w / 16)
// A workgroup computes ROWS rows by 16 columns. A thread sums blocks of 64 k in four columns, one fused multiply-add
// after the other in f32; the sums of the blocks are added in order: deterministic, with the bits of linear_nt_tile,
// so that what is sampled has the numbers that training gives it. Tolerance 1e-6 * sqrt(K).
override FORMAT: u32 = 0u; // 0 f32, 1 bf16, 2 f16, 3 int8, 4 int4
override GROUP: u32 = 32u; // integers that share a scale: 32 or 64
override F16_SCALES: bool = false; // two to a word
override ROWS: u32 = 8u; // 1, 4 or 8
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;
override ACCUMULATE: bool = false;
override GATED: bool = false; // without the other three
const BLOCK_QUADS = 16u; // 64 values
const BLOCKS = 32u; // that the threads of four columns sum at a time
const THREADS = 128u;
const COLUMNS = 16u; // of a workgroup

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
@group(0) @binding(3) var<storage, read> scales_MG: array<u32>;
@group(0) @binding(4) var<storage, read> bias_Y: array<f32>;
@group(0) @binding(5) var<storage, read> residual_NY: array<f32>;
@group(0) @binding(6) var<storage, read_write> y_NY: array<f32>;

// The sums of a block in four columns, by row, columns, block; then the totals.
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

// The scale of row m for its four k; f16 ones are stored as 2^12 times their value.
fn scale_of(m: u32, k: u32) -> f32 {
  if (FORMAT < 3u) {
    return 1.0;
  }
  let groups = (4u * params.inner + GROUP - 1u) / GROUP;
  let g = 4u * k / GROUP;
  if (F16_SCALES) {
    let two = unpack2x16float(scales_MG[m * ((groups + 1u) / 2u) + g / 2u]);
    return 0x1p-12 * select(two.x, two.y, g % 2u == 1u);
  }
  return bitcast<f32>(scales_MG[m * groups + g]);
}

fn multiply_add(x: vec4f, w: vec4f, sum: f32) -> f32 {
  return fma(x.w, w.w, fma(x.z, w.z, fma(x.y, w.y, fma(x.x, w.x, sum))));
}

fn store(n: u32, m: u32, product: f32) {
  let at = n * params.y_stride + params.y_offset + m;
  var value = params.scale * product;
  if (HAS_BIAS) {
    value += bias_Y[params.y_offset + m];
  }
  if (HAS_RESIDUAL) {
    value += residual_NY[at];
  }
  if (ACCUMULATE) {
    value += y_NY[at];
  }
  y_NY[at] = value;
}

// Row of w for a column of the workgroup; the second half are ups with GATED.
fn weight_row(first: u32, column: u32) -> u32 {
  if (GATED) {
    let m = min(first + column % (COLUMNS / 2u), params.columns - 1u);
    return m + select(0u, params.columns, column >= COLUMNS / 2u);
  }
  return min(first + column, params.columns - 1u);
}

@compute @workgroup_size(THREADS)
fn linear_nt_split(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  let n = group.x * ROWS;
  let outputs = select(COLUMNS, COLUMNS / 2u, GATED);
  let m = group.y * outputs;
  let quads = array(1u, 2u, 2u, 4u, 8u)[FORMAT]; // of a unit
  let units = params.inner / quads;
  let block_units = BLOCK_QUADS / quads;
  let blocks = (params.inner + BLOCK_QUADS - 1u) / BLOCK_QUADS;
  var stride = units; // of a row of w
  if (FORMAT >= 3u) {
    stride = (params.inner + 7u) / 8u * 8u / quads;
  }
  // Rows and columns past the end are read again; their results are not stored.
  let last_n = params.rows - 1u;
  let fours = t / BLOCKS;
  let w0 = weight_row(m, 4u * fours);
  let w1 = weight_row(m, 4u * fours + 1u);
  let w2 = weight_row(m, 4u * fours + 2u);
  let w3 = weight_row(m, 4u * fours + 3u);
  // Thread t adds up the blocks of this row and column.
  let own_row = t / COLUMNS;
  let own_column = t % COLUMNS;
  var total = 0.0;
  var sums: array<vec4f, 8>;
  for (var first = 0u; first < blocks; first += BLOCKS) {
    let block = first + t % BLOCKS;
    // An array that is declared in the loop was seen to keep its values.
    for (var r = 0u; r < ROWS; r++) {
      sums[r] = vec4f();
    }
    for (var u = block * block_units; u < min((block + 1u) * block_units, units); u++) {
      let a = w_MK[w0 * stride + u];
      let b = w_MK[w1 * stride + u];
      let c = w_MK[w2 * stride + u];
      let d = w_MK[w3 * stride + u];
      let sa = scale_of(w0, u * quads);
      let sb = scale_of(w1, u * quads);
      let sc = scale_of(w2, u * quads);
      let sd = scale_of(w3, u * quads);
      for (var q = 0u; q < quads; q++) {
        let wa = weights(a, q, sa);
        let wb = weights(b, q, sb);
        let wc = weights(c, q, sc);
        let wd = weights(d, q, sd);
        for (var r = 0u; r < ROWS; r++) {
          let x = x_NK[min(n + r, last_n) * params.inner + u * quads + q];
          sums[r] = vec4f(
            multiply_add(x, wa, sums[r].x),
            multiply_add(x, wb, sums[r].y),
            multiply_add(x, wc, sums[r].z),
            multiply_add(x, wd, sums[r].w),
          );
        }
      }
    }
    for (var r = 0u; r < ROWS; r++) {
      partial[r * THREADS + t] = sums[r];
    }
    workgroupBarrier();
    if (own_row < ROWS) {
      let at = own_row * THREADS + own_column / 4u * BLOCKS;
      for (var j = 0u; j < min(BLOCKS, blocks - first); j++) {
        total += partial[at + j][own_column % 4u];
      }
    }
    workgroupBarrier();
  }
  if (!GATED) {
    if (own_row < ROWS && n + own_row < params.rows && m + own_column < params.columns) {
      store(n + own_row, m + own_column, total);
    }
    return;
  }
  if (own_row < ROWS) {
    partial[t].x = total;
  }
  workgroupBarrier();
  if (own_row < ROWS && own_column < outputs && n + own_row < params.rows && m + own_column < params.columns) {
    let gate = params.scale * total;
    let up = params.scale * partial[t + outputs].x;
    y_NY[(n + own_row) * params.y_stride + params.y_offset + m + own_column] = gate / (1.0 + exp(-gate)) * up;
  }
}

// As linear_tn, on GPUs: a workgroup stages a tile of both matrices in its memory, each thread sums in registers.
// dw[p, m, k] = sum_n dy[n, dy_offset + m] * x[n, k], n from p * piece on, at most piece of them
//
// dy_NM   f32 read        [N, dy_stride], dy_stride and dy_offset multiples of 4
// x_NK    f32 read        [N, K], K a multiple of 4
// dw_MK   f32 read_write  [M, K], or [P, M, K] for a sum in P pieces, which linear/column_sum adds up
// grid    x: ceil(K / 64), y: ceil(M / TILE_ROWS), z: P = ceil(N / piece)
// A workgroup computes TILE_ROWS rows of dw by 64 columns, a thread TILE_ROWS / 8 rows by 4 columns, as in
// linear_nt_tile, where the arithmetic is; with 32 registers of sums and no totals 8 workgroups share a register file.
// A small dw, such as an adapter's, has few tiles and a long sum: pieces of it are what keeps a GPU busy.
// Accumulates in f32, one fused multiply-add after the other in the order of n: deterministic. Tolerance 1e-6 * N.
override TILE_ROWS: u32 = 64u; // 32 or 64
const ACROSS = 16u; // threads that share rows, each with four columns
const STEP = 16u; // n that are staged at a time

struct Params {
  inner: u32, // N
  piece: u32,
  rows: u32, // M
  columns: u32, // K / 4
  dy_stride: u32, // in groups of 4
  dy_offset: u32, // in groups of 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy_NM: array<vec4f>;
@group(0) @binding(2) var<storage, read> x_NK: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dw_MK: array<vec4f>;

// By n: fours of rows; fours of columns.
var<workgroup> dy_tile: array<vec4f, TILE_ROWS / 4u * STEP>;
var<workgroup> x_tile: array<vec4f, ACROSS * STEP>;

// The i-th four of rows and of columns from m and k on. Those past the end are read again, their results are not
// stored; what is past the end of the sum is zero.
fn stage(m: u32, k: u32, first: u32, end: u32, t: u32) {
  let i = t % ACROSS;
  let row = min(params.dy_offset + m + i, params.dy_stride - 1u);
  let column = min(k + i, params.columns - 1u);
  for (var j = t / ACROSS; j < STEP; j += 8u) {
    let n = first + j;
    var dy = vec4f();
    var x = vec4f();
    if (n < end) {
      dy = dy_NM[n * params.dy_stride + row];
      x = x_NK[n * params.columns + column];
    }
    x_tile[j * ACROSS + i] = x;
    if (i < TILE_ROWS / 4u) {
      dy_tile[j * (TILE_ROWS / 4u) + i] = dy;
    }
  }
}

fn store(piece: u32, m: u32, k: u32, sums: vec4f) {
  if (m < params.rows && k < params.columns) {
    dw_MK[(piece * params.rows + m) * params.columns + k] = sums;
  }
}

@compute @workgroup_size(128)
fn linear_tn_tile(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  let m = group.y * TILE_ROWS;
  let k = group.x * ACROSS;
  let start = group.z * params.piece;
  let end = min(start + params.piece, params.inner);
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
  for (var first = start; first < end; first += STEP) {
    stage(m / 4u, k, first, end, t);
    workgroupBarrier();
    for (var n = 0u; n < STEP; n++) {
      let x = x_tile[n * ACROSS + across];
      let at = n * (TILE_ROWS / 4u) + down * (TILE_ROWS / 32u);
      let a = dy_tile[at];
      sums0 = fma(vec4f(a.x), x, sums0);
      sums1 = fma(vec4f(a.y), x, sums1);
      sums2 = fma(vec4f(a.z), x, sums2);
      sums3 = fma(vec4f(a.w), x, sums3);
      if (TILE_ROWS > 32u) {
        let b = dy_tile[at + 1u];
        sums4 = fma(vec4f(b.x), x, sums4);
        sums5 = fma(vec4f(b.y), x, sums5);
        sums6 = fma(vec4f(b.z), x, sums6);
        sums7 = fma(vec4f(b.w), x, sums7);
      }
    }
    workgroupBarrier();
  }
  let row = m + down * (TILE_ROWS / 8u);
  store(group.z, row, k + across, sums0);
  store(group.z, row + 1u, k + across, sums1);
  store(group.z, row + 2u, k + across, sums2);
  store(group.z, row + 3u, k + across, sums3);
  if (TILE_ROWS > 32u) {
    store(group.z, row + 4u, k + across, sums4);
    store(group.z, row + 5u, k + across, sums5);
    store(group.z, row + 6u, k + across, sums6);
    store(group.z, row + 7u, k + across, sums7);
  }
}

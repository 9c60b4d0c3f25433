// partial[b, d] = sum over the rows n of block b of dy[n, d] * x[n, d] * r[n]; the sum over b is dw
//
// x_ND        f32 read        [N, D], D a multiple of 4
// inverse_N   f32 read        [N]: r, from the forward kernel
// dy_ND       f32 read        [N, D]
// partial_BD  f32 read_write  [ceil(N / block_rows), D]
// grid        gridFor(ceil(N / block_rows) * D / 4, 64): one thread per block and four columns
// Accumulates in f32 in the order of n within a block: deterministic. Tolerance 1e-6 * sqrt(N).
struct Params {
  rows: u32, // N
  columns: u32, // D / 4
  block_rows: u32,
  blocks: u32, // ceil(N / block_rows)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_ND: array<vec4f>;
@group(0) @binding(2) var<storage, read> inverse_N: array<f32>;
@group(0) @binding(3) var<storage, read> dy_ND: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partial_BD: array<vec4f>;

@compute @workgroup_size(64)
fn rmsnorm_bwd_weight(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  let columns = params.columns;
  if (i >= params.blocks * columns) {
    return;
  }
  let d = i % columns;
  let first = i / columns * params.block_rows;
  let end = min(first + params.block_rows, params.rows);
  var sum = vec4f();
  for (var n = first; n < end; n++) {
    sum += dy_ND[n * columns + d] * x_ND[n * columns + d] * inverse_N[n];
  }
  partial_BD[i] = sum;
}

// drows[r] = sum of dy[order[i]] for i in [starts[r], starts[r + 1]): the gradient of gathering rows of the table, or
// of the features, which are numbered on from the last row of the table.
//
// dy_ND     f32 read        [N, D], D a multiple of 4
// starts    i32 read        [R + F + 1]
// order     i32 read        [N]: the positions, sorted by row, then by n
// drows_RD  f32 read_write  [slice_rows, D]: the slice that starts at first_row; every row is written
// grid      gridFor(slice_rows * D / 4, 64)
// One thread per row and 4 columns, f32, in the order of n: deterministic. Tolerance 1e-6 * repeats.
struct Params {
  first_row: u32,
  slice_rows: u32,
  columns: u32, // D / 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy_ND: array<vec4f>;
@group(0) @binding(2) var<storage, read> starts: array<i32>;
@group(0) @binding(3) var<storage, read> order: array<i32>;
@group(0) @binding(4) var<storage, read_write> drows_RD: array<vec4f>;

@compute @workgroup_size(64)
fn gather_rows_bwd(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.slice_rows * params.columns) {
    return;
  }
  let row = params.first_row + i / params.columns;
  let column = i % params.columns;
  var sum = vec4f();
  for (var at = starts[row]; at < starts[row + 1u]; at++) {
    sum += dy_ND[u32(order[at]) * params.columns + column];
  }
  drows_RD[i] = sum;
}

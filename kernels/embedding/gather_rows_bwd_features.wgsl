// dfeatures[f] = dy[row[f]], or 0 when row[f] is -1: the gradient of image features among token embeddings.
//
// dy_ND         f32 read        [N, D], D a multiple of 4
// row_F         i32 read        [F]
// dfeatures_FD  f32 read_write  [F, D]
// grid          gridFor(F * D / 4, 64)
// A copy: exact, deterministic.
struct Params {
  rows: u32, // F
  columns: u32, // D / 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy_ND: array<vec4f>;
@group(0) @binding(2) var<storage, read> row_F: array<i32>;
@group(0) @binding(3) var<storage, read_write> dfeatures_FD: array<vec4f>;

@compute @workgroup_size(64)
fn gather_rows_bwd_features(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.rows * params.columns) {
    return;
  }
  let row = row_F[i / params.columns];
  var gradient = vec4f();
  if (row >= 0) {
    gradient = dy_ND[u32(row) * params.columns + i % params.columns];
  }
  dfeatures_FD[i] = gradient;
}

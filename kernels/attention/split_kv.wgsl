// dk[m] and dv[m] out of the rows that attention_bwd_kv writes, which has no binding left for two outputs:
//   dk[m, c] = dkv[m, 0, c], dv[m, c] = dkv[m, 1, c]
//
// dkv_M2C  f32 read        [M, 2, C], C = K * E
// dk_MC    f32 read_write  [M, C]
// dv_MC    f32 read_write  [M, C]
// grid     gridFor(M * C, 64)
// Exact.
struct Params {
  rows: u32, // M
  columns: u32, // C
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dkv_M2C: array<f32>;
@group(0) @binding(2) var<storage, read_write> dk_MC: array<f32>;
@group(0) @binding(3) var<storage, read_write> dv_MC: array<f32>;

@compute @workgroup_size(64)
fn split_kv(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.rows * params.columns) {
    return;
  }
  let at = i + i / params.columns * params.columns;
  dk_MC[i] = dkv_M2C[at];
  dv_MC[i] = dkv_M2C[at + params.columns];
}

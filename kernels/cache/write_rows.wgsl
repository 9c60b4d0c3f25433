// cache[rows[b]] = values[b]: keys or values of new tokens into the cache. A row outside the cache is skipped
// (-1: a slot that has not started).
//
// rows_B     i32 read        [B], no row twice among active slots
// values_BC  f32 read        [B, C], C a multiple of 4
// cache_MC   f32 read_write  [M, C]
// grid       gridFor(B * C / 4, 64)
// A copy: exact, deterministic.
struct Params {
  rows: u32, // B
  columns: u32, // C / 4
  cache_rows: u32, // M
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows_B: array<i32>;
@group(0) @binding(2) var<storage, read> values_BC: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> cache_MC: array<vec4f>;

@compute @workgroup_size(64)
fn write_rows(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.rows * params.columns) {
    return;
  }
  let row = rows_B[i / params.columns];
  if (row >= 0 && u32(row) < params.cache_rows) {
    cache_MC[u32(row) * params.columns + i % params.columns] = values_BC[i];
  }
}

// INVERSE = false: part[n, m] = whole[n, offset + m]
// INVERSE = true:  whole[n, offset + m] = part[n, m]
//
// from_NX, to_NX  f32 read, read_write  whole [N, W] and part [N, M], in the order of the direction
// grid            gridFor(N * M, 64): one thread per value of the part
// Exact.
override INVERSE: bool = false;

struct Params {
  rows: u32, // N
  part_columns: u32, // M
  whole_columns: u32, // W
  offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> from_NX: array<f32>;
@group(0) @binding(2) var<storage, read_write> to_NX: array<f32>;

@compute @workgroup_size(64)
fn split_columns(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let part = id.x + id.y * groups.x * 64u;
  if (part >= params.rows * params.part_columns) {
    return;
  }
  let n = part / params.part_columns;
  let whole = n * params.whole_columns + params.offset + part % params.part_columns;
  if (INVERSE) {
    to_NX[whole] = from_NX[part];
  } else {
    to_NX[part] = from_NX[whole];
  }
}

// Starts the search for the lowest value of a row that truncation keeps: all that is not excluded.
//
// tops_NC  f32 read        [N, chunks]: the largest value of each chunk of the row
// cut_N4   u32 read_write  [N, 4]: bits of the row's largest value, bits of the lowest value kept, then what
//                          narrow_cut keeps of a search: its lowest key so far, bits of its goal
// grid     gridFor(N, 64)
// One thread per row: exact, deterministic.
const LOWEST: f32 = -3.4e38;

struct Params {
  rows: u32, // N
  chunks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tops_NC: array<f32>;
@group(0) @binding(2) var<storage, read_write> cut_N4: array<vec4u>;

@compute @workgroup_size(64)
fn begin_cut(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let n = id.x + id.y * groups.x * 64u;
  if (n >= params.rows) {
    return;
  }
  var top = tops_NC[n * params.chunks];
  for (var c = 1u; c < params.chunks; c++) {
    top = max(top, tops_NC[n * params.chunks + c]);
  }
  cut_N4[n] = vec4u(bitcast<u32>(top), bitcast<u32>(LOWEST), 0u, 0u);
}

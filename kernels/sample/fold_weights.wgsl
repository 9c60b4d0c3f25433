// The weights of weigh_chunks summed over groups of GROUP chunks.
//
// weights_NC16  f32 read        [N, chunks, 16]
// sums_NG16     f32 read_write  [N, groups of chunks, 16]
// grid          gridFor(N * groups of chunks * 4, 64)
// One thread per row, group and four borders, f32 in the order of the chunks: deterministic. Within 1e-6
// relative.
const GROUP = 32u;

struct Params {
  rows: u32, // N
  chunks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights_NC16: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> sums_NG16: array<vec4f>;

@compute @workgroup_size(64)
fn fold_weights(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  let chunk_groups = (params.chunks + GROUP - 1u) / GROUP;
  if (i >= params.rows * chunk_groups * 4u) {
    return;
  }
  let quad = i % 4u;
  let first = (i / 4u) % chunk_groups * GROUP;
  let n = i / (4u * chunk_groups);
  var sum = vec4f();
  for (var c = first; c < min(first + GROUP, params.chunks); c++) {
    sum += weights_NC16[(n * params.chunks + c) * 4u + quad];
  }
  sums_NG16[i] = sum;
}

// The next input of every active slot: the sampled token, one position further, in the next of its own cache rows.
// The first input is the last token of the prompt, in the prompt's rows.
//
// active_B, sampled_B  i32 read        [B]
// tokens_B             i32 read_write  [B]
// positions_3B         i32 read_write  [3, B]
// ranges_B4            i32 read_write  [B, 4]: cache rows [prompt start, prompt end), [own start, own end)
// cacheRow_B           i32 read_write  [B]
// grid                 gridFor(B, 64)
// Exact, deterministic.
struct Params {
  slots: u32, // B
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> active_B: array<i32>;
@group(0) @binding(2) var<storage, read> sampled_B: array<i32>;
@group(0) @binding(3) var<storage, read_write> tokens_B: array<i32>;
@group(0) @binding(4) var<storage, read_write> positions_3B: array<i32>;
@group(0) @binding(5) var<storage, read_write> ranges_B4: array<vec4i>;
@group(0) @binding(6) var<storage, read_write> cacheRow_B: array<i32>;

@compute @workgroup_size(64)
fn next_inputs(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let b = id.x + id.y * groups.x * 64u;
  if (b >= params.slots || active_B[b] == 0) {
    return;
  }
  tokens_B[b] = sampled_B[b];
  for (var axis = 0u; axis < 3u; axis++) {
    positions_3B[axis * params.slots + b] += 1;
  }
  cacheRow_B[b] = ranges_B4[b].w;
  ranges_B4[b].w += 1;
}

// Marks the settled token of every active slot as one that has occurred; one outside the vocabulary is none.
//
// active_B, tokens_B  i32 read        [B]
// seen_BC4            u32 read_write  [B, chunks, 4]: a bit for every id, the lowest first
// grid                gridFor(B, 64)
// One thread per slot, which alone writes its bits: exact, deterministic.
struct Params {
  slots: u32, // B
  words: u32, // of a slot
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> active_B: array<i32>;
@group(0) @binding(2) var<storage, read> tokens_B: array<i32>;
@group(0) @binding(3) var<storage, read_write> seen_BC4: array<u32>;

@compute @workgroup_size(64)
fn mark_seen(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let b = id.x + id.y * groups.x * 64u;
  if (b >= params.slots || active_B[b] == 0 || tokens_B[b] < 0) {
    return;
  }
  let token = u32(tokens_B[b]);
  if (token >= 32u * params.words) {
    return;
  }
  seen_BC4[b * params.words + token / 32u] |= 1u << (token % 32u);
}

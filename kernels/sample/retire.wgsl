// Counts the token of every active slot, and makes the slot inactive when the token ends the response, when
// the response has reached its own length, or when no token could be sampled (-1).
//
// sampled_B    i32 read        [B]
// end_tokens   i32 read        any length; -1 matches nothing that is sampled
// maxLength_B  i32 read        [B]
// length_B     i32 read_write  [B]
// active_B     i32 read_write  [B]: 1 or 0
// grid         gridFor(B, 64)
// Exact, deterministic. Runs after append_outputs and next_inputs, which look at both as they were.
struct Params {
  slots: u32, // B
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sampled_B: array<i32>;
@group(0) @binding(2) var<storage, read> end_tokens: array<i32>;
@group(0) @binding(3) var<storage, read> maxLength_B: array<i32>;
@group(0) @binding(4) var<storage, read_write> length_B: array<i32>;
@group(0) @binding(5) var<storage, read_write> active_B: array<i32>;

@compute @workgroup_size(64)
fn retire(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let b = id.x + id.y * groups.x * 64u;
  if (b >= params.slots || active_B[b] == 0) {
    return;
  }
  let length = length_B[b] + 1;
  length_B[b] = length;
  let token = sampled_B[b];
  var ends = token < 0 || length >= maxLength_B[b];
  for (var i = 0u; i < arrayLength(&end_tokens); i++) {
    ends = ends || end_tokens[i] == token;
  }
  if (ends) {
    active_B[b] = 0;
  }
}

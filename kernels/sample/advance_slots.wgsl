// Moves every active slot on to its next input: the token that was settled, one position further, in the next of its
// own cache rows (the first input is the last token of the prompt, in the prompt's rows). The slot becomes inactive
// when the token ends the response, when the response has reached its own length, or when there was no token (-1).
//
// tokens_B      i32 read        [B]
// end_tokens    i32 read        any length; -1 matches nothing that is sampled
// maxLength_B   i32 read        [B]
// length_B      i32 read_write  [B]
// active_B      i32 read_write  [B]: 1 or 0
// positions_3B  i32 read_write  [3, B]
// ranges_B4     i32 read_write  [B, 4]: cache rows [prompt start, prompt end), [own start, own end)
// cacheRow_B    i32 read_write  [B]
// grid          gridFor(B, 64)
// Exact, deterministic.
struct Params {
  slots: u32, // B
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tokens_B: array<i32>;
@group(0) @binding(2) var<storage, read> end_tokens: array<i32>;
@group(0) @binding(3) var<storage, read> maxLength_B: array<i32>;
@group(0) @binding(4) var<storage, read_write> length_B: array<i32>;
@group(0) @binding(5) var<storage, read_write> active_B: array<i32>;
@group(0) @binding(6) var<storage, read_write> positions_3B: array<i32>;
@group(0) @binding(7) var<storage, read_write> ranges_B4: array<vec4i>;
@group(0) @binding(8) var<storage, read_write> cacheRow_B: array<i32>;

@compute @workgroup_size(64)
fn advance_slots(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let b = id.x + id.y * groups.x * 64u;
  if (b >= params.slots || active_B[b] == 0) {
    return;
  }
  for (var axis = 0u; axis < 3u; axis++) {
    positions_3B[axis * params.slots + b] += 1;
  }
  cacheRow_B[b] = ranges_B4[b].w;
  ranges_B4[b].w += 1;
  let length = length_B[b] + 1;
  length_B[b] = length;
  let token = tokens_B[b];
  var ends = token < 0 || length >= maxLength_B[b];
  for (var i = 0u; i < arrayLength(&end_tokens); i++) {
    ends = ends || end_tokens[i] == token;
  }
  if (ends) {
    active_B[b] = 0;
  }
}

// Appends the sampled token, its log-probability and the entropy to the outputs of every active slot, at the
// slot's length.
//
// active_B, length_B, sampled_B  i32 read        [B]
// logprob_B, entropy_B           f32 read        [B]
// tokens_BT                      i32 read_write  [B, T]
// logprobs_BT, entropies_BT      f32 read_write  [B, T]
// grid                           gridFor(B, 64)
// Exact, deterministic.
struct Params {
  slots: u32, // B
  max_tokens: u32, // T
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> active_B: array<i32>;
@group(0) @binding(2) var<storage, read> length_B: array<u32>;
@group(0) @binding(3) var<storage, read> sampled_B: array<i32>;
@group(0) @binding(4) var<storage, read> logprob_B: array<f32>;
@group(0) @binding(5) var<storage, read> entropy_B: array<f32>;
@group(0) @binding(6) var<storage, read_write> tokens_BT: array<i32>;
@group(0) @binding(7) var<storage, read_write> logprobs_BT: array<f32>;
@group(0) @binding(8) var<storage, read_write> entropies_BT: array<f32>;

@compute @workgroup_size(64)
fn append_outputs(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let b = id.x + id.y * groups.x * 64u;
  if (b >= params.slots || active_B[b] == 0 || length_B[b] >= params.max_tokens) {
    return;
  }
  let at = b * params.max_tokens + length_B[b];
  tokens_BT[at] = sampled_B[b];
  logprobs_BT[at] = logprob_B[b];
  entropies_BT[at] = entropy_B[b];
}

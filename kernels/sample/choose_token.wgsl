// token[n] = the candidate with the highest score among the parts of a row; ties: the lowest id; -1 when no
// part has a candidate (all logits NaN, or every id banned).
//
// best_NP2  i32 read        [N, parts, 2]: bits of the score, id or -1
// token_B   i32 read_write  [N]
// grid      gridFor(N, 64)
// One thread per row, in the order of the parts: exact, deterministic.
struct Params {
  rows: u32, // N
  parts: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> best_NP2: array<vec2i>;
@group(0) @binding(2) var<storage, read_write> token_B: array<i32>;

@compute @workgroup_size(64)
fn choose_token(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let n = id.x + id.y * groups.x * 64u;
  if (n >= params.rows) {
    return;
  }
  var score = 0.0;
  var token = -1;
  for (var p = 0u; p < params.parts; p++) {
    let candidate = best_NP2[n * params.parts + p];
    if (candidate.y >= 0 && (token < 0 || bitcast<f32>(candidate.x) > score)) {
      score = bitcast<f32>(candidate.x);
      token = candidate.y;
    }
  }
  token_B[n] = token;
}

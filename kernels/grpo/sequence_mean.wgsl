// y[n] = mean of x over the response that token n belongs to: the log-ratio of a sequence (GSPO, arXiv 2507.18071).
// A symmetric matrix times x, so it is its own gradient.
//
// x_N           f32 read        [N]
// responses_R2  i32 read        [R, 2]  first token, and tokens, of each response; together all of the N
// y_N           f32 read_write  [N]
// grid          gridFor(R, 64)
// One thread per response, f32 in the order of its tokens; deterministic. Tolerance 1e-6.
struct Params {
  responses: u32, // R
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_N: array<f32>;
@group(0) @binding(2) var<storage, read> responses_R2: array<vec2i>;
@group(0) @binding(3) var<storage, read_write> y_N: array<f32>;

@compute @workgroup_size(64)
fn sequence_mean(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let s = id.x + id.y * groups.x * 64u;
  if (s >= params.responses) {
    return;
  }
  let first = responses_R2[s].x;
  let end = first + responses_R2[s].y;
  var sum = 0.0;
  for (var n = first; n < end; n++) {
    sum += x_N[n];
  }
  let mean = sum / f32(end - first);
  for (var n = first; n < end; n++) {
    y_N[n] = mean;
  }
}

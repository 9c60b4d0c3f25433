// Turns a slice of logits into their gradient, in place, where dy is the gradient of the row's logprob:
//   dlogit[n, v] = dy[n] * ((v == target[n] ? 1 : 0) - exp(logit[n, v] * scale - logsumexp[n])) * scale
//
// logits_NS    f32 read_write  [N, stride]; columns past the slice's become 0
// target_N     i32 read        [N]
// logsumexp_N  f32 read        [N]
// dy_N         f32 read        [N]
// grid         gridFor(N * stride / 4, 64)
// One thread per 4 columns, f32; deterministic. Tolerance 1e-5.
struct Params {
  rows: u32, // N
  columns: u32, // of the slice
  stride: u32, // of logits_NS, in groups of 4
  first_column: u32,
  scale: f32, // 1 / temperature
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> logits_NS: array<vec4f>;
@group(0) @binding(2) var<storage, read> target_N: array<i32>;
@group(0) @binding(3) var<storage, read> logsumexp_N: array<f32>;
@group(0) @binding(4) var<storage, read> dy_N: array<f32>;

@compute @workgroup_size(64)
fn logits_bwd(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.rows * params.stride) {
    return;
  }
  let n = i / params.stride;
  let column = vec4u(i % params.stride * 4u) + vec4u(0u, 1u, 2u, 3u);
  let p = exp(logits_NS[i] * params.scale - logsumexp_N[n]);
  let hit = vec4i(column + params.first_column) == vec4i(target_N[n]);
  let gradient = (select(vec4f(), vec4f(1.0), hit) - p) * (dy_N[n] * params.scale);
  // What lies past the slice may be NaN, so it is replaced, not multiplied by 0.
  logits_NS[i] = select(vec4f(), gradient, column < vec4u(params.columns));
}

// into[i] = keep * into[i] + alpha * source[i], where keep = 1 - alpha comes from the host, which has it exactly
//
// source    f32 read        [count]
// into      f32 read_write  [count]
// grid      gridFor(count, 64)
// f32; deterministic. Tolerance 2e-7.
struct Params {
  count: u32,
  keep: f32,
  alpha: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> into: array<f32>;

@compute @workgroup_size(64)
fn mix(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  if (i < params.count) {
    into[i] = params.keep * into[i] + params.alpha * source[i];
  }
}

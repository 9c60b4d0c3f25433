// into[i] += scale * gradient[i]
//
// gradient  f32 read        [count]
// into      f32 read_write  [count]
// grid      gridFor(count, 64)
// f32; deterministic. Tolerance 1e-7.
struct Params {
  count: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> into: array<f32>;

@compute @workgroup_size(64)
fn accumulate(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  if (i < params.count) {
    into[i] += params.scale * gradient[i];
  }
}

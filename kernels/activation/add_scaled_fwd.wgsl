// y[i] = a[i] + scale * b[i]
//
// a, b  f32 read        `count` values of any shape
// y     f32 read_write  the same shape
// grid  gridFor(ceil(count / 4), 64)
// A thread takes four values a stride of all threads apart. Deterministic. Tolerance 2e-7.
struct Params {
  count: u32,
  threads: u32, // ceil(count / 4)
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn add_scaled_fwd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = id.x + id.y * groups.x * 64u;
  if (first >= params.threads) {
    return;
  }
  for (var i = first; i < params.count; i += params.threads) {
    y[i] = a[i] + params.scale * b[i];
  }
}

// copied[i] = source[i]: a plain copy, whose bytes per second are what other kernels are measured against. Each
// thread moves `run` vectors that lie side by side: one on a GPU, where neighbouring threads should read
// neighbouring addresses; several on a driver that computes on the CPU, where a thread is a call.
//
// source  u32 read        [count] vectors of four
// copied  u32 read_write  [count] vectors of four
// grid    gridFor(count / run, 64)
// A copy: exact, deterministic.
struct Params {
  count: u32,
  run: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> copied: array<vec4u>;

@compute @workgroup_size(64)
fn copy(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = (id.x + id.y * groups.x * 64u) * params.run;
  let end = min(first + params.run, params.count);
  for (var i = first; i < end; i++) {
    copied[i] = source[i];
  }
}

// y[i] = silu(gate[i]) * up[i], silu(g) = g / (1 + exp(-g))
//
// gate_NF, up_NF  f32 read        [N, F], together `count` values
// y_NF            f32 read_write  [N, F]
// grid            gridFor(ceil(count / 4), 64)
// A thread takes four values a stride of all threads apart: any count, and neighbours read neighbours.
// Deterministic. Tolerance 1e-6.
struct Params {
  count: u32,
  threads: u32, // ceil(count / 4)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate_NF: array<f32>;
@group(0) @binding(2) var<storage, read> up_NF: array<f32>;
@group(0) @binding(3) var<storage, read_write> y_NF: array<f32>;

@compute @workgroup_size(64)
fn swiglu_fwd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = id.x + id.y * groups.x * 64u;
  if (first >= params.threads) {
    return;
  }
  for (var i = first; i < params.count; i += params.threads) {
    let gate = gate_NF[i];
    y_NF[i] = gate / (1.0 + exp(-gate)) * up_NF[i];
  }
}

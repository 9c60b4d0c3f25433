// OF_UP = false: dx[i] = dy[i] * up[i] * s * (1 + gate[i] * (1 - s)), the gradient of gate, s = 1 / (1 + exp(-gate[i]))
// OF_UP = true:  dx[i] = dy[i] * gate[i] * s, the gradient of up
//
// gate_NF, up_NF  f32 read        [N, F], together `count` values; up is unused with OF_UP
// dy_NF           f32 read        [N, F]
// dx_NF           f32 read_write  [N, F]
// grid            gridFor(ceil(count / 4), 64)
// A thread takes four values a stride of all threads apart. Deterministic. Tolerance 1e-6.
override OF_UP: bool = false;

struct Params {
  count: u32,
  threads: u32, // ceil(count / 4)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate_NF: array<f32>;
@group(0) @binding(2) var<storage, read> up_NF: array<f32>;
@group(0) @binding(3) var<storage, read> dy_NF: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx_NF: array<f32>;

@compute @workgroup_size(64)
fn swiglu_bwd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = id.x + id.y * groups.x * 64u;
  if (first >= params.threads) {
    return;
  }
  for (var i = first; i < params.count; i += params.threads) {
    let gate = gate_NF[i];
    let sigmoid = 1.0 / (1.0 + exp(-gate));
    if (OF_UP) {
      dx_NF[i] = dy_NF[i] * gate * sigmoid;
    } else {
      dx_NF[i] = dy_NF[i] * up_NF[i] * sigmoid * (1.0 + gate * (1.0 - sigmoid));
    }
  }
}

// One step of AdamW (arXiv 1711.05101, order of operations as torch.optim.AdamW), in place:
//   g = gradient * factor
//   p *= 1 - lr * weight_decay
//   m += (g - m) * (1 - beta1)
//   v  = v * beta2 + g * g * (1 - beta2)
//   p -= (lr / bias1) * m / (sqrt(v) / sqrt(bias2) + eps)
// with lr times factor_0 for values below end_0, factor_1 for others below end_1, factor_2 for the rest.
// Nothing changes when skip is set.
//
// gradient  f32 read        [count]
// hyper     f32 read        [9]: lr, beta1, beta2, eps, weight_decay, bias1 = 1 - beta1^t, bias2 = 1 - beta2^t,
//                           1 - beta1, 1 - beta2 (the differences from the host, where they are exact)
// clip      f32 read        [3]: norm, factor, skip
// param, m, v  f32 read_write  [count]
// grid      gridFor(count, 64)
// f32; deterministic. Tolerance 1e-6 of the step.
struct Params {
  count: u32,
  end_0: u32,
  end_1: u32,
  factor_0: f32,
  factor_1: f32,
  factor_2: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> hyper: array<f32>;
@group(0) @binding(3) var<storage, read> clip: array<f32>;
@group(0) @binding(4) var<storage, read_write> param: array<f32>;
@group(0) @binding(5) var<storage, read_write> m: array<f32>;
@group(0) @binding(6) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(64)
fn adamw_step(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count || clip[2] != 0.0) {
    return;
  }
  let factor = select(select(params.factor_2, params.factor_1, i < params.end_1), params.factor_0, i < params.end_0);
  let lr = hyper[0] * factor;
  let g = gradient[i] * clip[1];
  let first = m[i] + (g - m[i]) * hyper[7];
  let second = v[i] * hyper[2] + g * g * hyper[8];
  m[i] = first;
  v[i] = second;
  let decayed = param[i] * (1.0 - lr * hyper[4]);
  param[i] = decayed - lr / hyper[5] * first / (sqrt(second) / sqrt(hyper[6]) + hyper[3]);
}

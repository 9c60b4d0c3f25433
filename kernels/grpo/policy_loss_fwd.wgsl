// The clipped policy loss with the k3 estimate of the KL divergence, per token:
//   ratio  = exp(clamp(new - old, -20, 20))
//   policy = -min(ratio * A, clamp(ratio, 1 - low, 1 + high) * A)
//   k3     = exp(d) - d - 1,  d = clamp(ref - new, -20, 20)
//   loss   = weight * (policy + kl_coef * k3)
//   terms  = policy, k3, ratio, clipped: -1 below (A < 0), +1 above (A > 0), else 0
// (PPO, arXiv 1707.06347; asymmetric bounds, arXiv 2503.14476; k3, joschu.net/blog/kl-approx.html; formula as TRL)
//
// new_N, old_N, ref_N  f32 read        [N] log-probabilities
// advantage_N          f32 read        [N]
// weight_N             f32 read        [N]
// terms_N4             f32 read_write  [N, 4]
// loss_N               f32 read_write  [N]
// grid                 gridFor(N, 64)
// One thread per token, f32; deterministic. Tolerance 1e-6 of the ratio.
struct Params {
  count: u32, // N
  low: f32, // 1 - low
  high: f32, // 1 + high
  kl_coef: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> new_N: array<f32>;
@group(0) @binding(2) var<storage, read> old_N: array<f32>;
@group(0) @binding(3) var<storage, read> ref_N: array<f32>;
@group(0) @binding(4) var<storage, read> advantage_N: array<f32>;
@group(0) @binding(5) var<storage, read> weight_N: array<f32>;
@group(0) @binding(6) var<storage, read_write> terms_N4: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> loss_N: array<f32>;

// Some drivers' exp makes infinity of NaN.
fn exp_or_nan(x: f32) -> f32 {
  if ((bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u) {
    return x;
  }
  return exp(x);
}

// As clamp and min, except that NaN stays NaN: a broken log-probability must not look like a clipped one.
fn clamped(x: f32, low: f32, high: f32) -> f32 {
  return select(select(x, low, x < low), high, x > high);
}

fn smaller(a: f32, b: f32) -> f32 {
  return select(a, b, b < a);
}

@compute @workgroup_size(64)
fn policy_loss_fwd(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let n = id.x + id.y * groups.x * 64u;
  if (n >= params.count) {
    return;
  }
  let advantage = advantage_N[n];
  let ratio = exp_or_nan(clamped(new_N[n] - old_N[n], -20.0, 20.0));
  let policy = -smaller(ratio * advantage, clamped(ratio, params.low, params.high) * advantage);
  let d = clamped(ref_N[n] - new_N[n], -20.0, 20.0);
  let k3 = exp_or_nan(d) - d - 1.0;
  var clipped = 0.0;
  if (ratio < params.low && advantage < 0.0) {
    clipped = -1.0;
  }
  if (ratio > params.high && advantage > 0.0) {
    clipped = 1.0;
  }
  terms_N4[n] = vec4f(policy, k3, ratio, clipped);
  loss_N[n] = weight_N[n] * (policy + params.kl_coef * k3);
}

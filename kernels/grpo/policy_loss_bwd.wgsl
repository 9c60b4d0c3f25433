// The gradient of policy_loss_fwd with respect to the new log-probabilities:
//   dnew = dy * weight * (dpolicy + kl_coef * dk3)
//   dpolicy = -A * ratio where the unclipped term is the smaller; 0 where the clipped one is, outside its bounds
//   dk3     = 1 - exp(d)
// and 0 for each where its difference of log-probabilities is clamped. Subgradients as in PyTorch: at equality
// min gives half to each side, and a clamp passes the gradient at its bounds.
//
// new_N, old_N, ref_N  f32 read        [N] log-probabilities
// advantage_N          f32 read        [N]
// weight_N             f32 read        [N]
// dy                   f32 read        [1]
// dnew_N               f32 read_write  [N]
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
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> dnew_N: array<f32>;

// Some drivers' exp makes infinity of NaN.
fn exp_or_nan(x: f32) -> f32 {
  if ((bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u) {
    return x;
  }
  return exp(x);
}

@compute @workgroup_size(64)
fn policy_loss_bwd(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let n = id.x + id.y * groups.x * 64u;
  if (n >= params.count) {
    return;
  }
  let advantage = advantage_N[n];
  let log_ratio = new_N[n] - old_N[n];
  var gradient = 0.0;
  if (!(abs(log_ratio) > 20.0)) { // NaN enters and stays NaN
    let ratio = exp_or_nan(log_ratio);
    let bounded = clamp(ratio, params.low, params.high);
    let plain = ratio * advantage;
    let clipped = bounded * advantage;
    var share = select(0.0, 1.0, plain < clipped);
    if (plain == clipped) {
      share = select(0.5, 1.0, bounded == ratio);
    }
    gradient = -plain * share;
  }
  let d = ref_N[n] - new_N[n];
  if (!(abs(d) > 20.0)) {
    gradient += params.kl_coef * (1.0 - exp_or_nan(d));
  }
  dnew_N[n] = dy[0] * weight_N[n] * gradient;
}

// The gradient of policy_loss_fwd by the new log-probabilities and by the log-ratios, which the ratio comes from:
//   dnew       = dy (policy_weight p + kl_weight k)
//   p          = -min(ratio, high) A with CISPO, else 0
//   k          = 1 (KL 1, k1), -d (KL 2, k2), 1 - exp(d) (KL 3, k3), -sign(d) (KL 4, abs)
//   dlog_ratio = dy policy_weight r
//   r          = -A ratio where the unclipped term is the smaller, 0 where the clipped one is  LOSS 0, clipped
//                0                                                                            LOSS 1, CISPO
//                -4 sigmoid'(t (ratio - 1)) A ratio                                           LOSS 2, SAPO
// and 0 for each of k and r where its difference of log-probabilities is clamped. Subgradients as in PyTorch: at
// equality min gives half to each side, and a clamp passes the gradient at its bounds.
//
// new_N         f32 read        [N]     log-probabilities
// log_ratio_N   f32 read        [N]     new - old, of the token or as the mean over its response
// token_N4      f32 read        [N, 4]  ref, A, policy_weight, kl_weight
// dy            f32 read        [1]
// dnew_N        f32 read_write  [N]
// dlog_ratio_N  f32 read_write  [N]
// grid          gridFor(N, 64)
// One thread per token, f32; deterministic. Tolerance 1e-6 of the ratio.
override LOSS: u32 = 0u;
override KL: u32 = 3u;

const CISPO = 1u;
const SAPO = 2u;
const K1 = 1u;
const K2 = 2u;
const K3 = 3u;

struct Params {
  count: u32, // N
  low: f32, // 1 - clip_ratio_low
  high: f32, // 1 + clip_ratio_high
  dual: f32, // beyond every ratio where there is none
  t_pos: f32,
  t_neg: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> new_N: array<f32>;
@group(0) @binding(2) var<storage, read> log_ratio_N: array<f32>;
@group(0) @binding(3) var<storage, read> token_N4: array<vec4f>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dnew_N: array<f32>;
@group(0) @binding(6) var<storage, read_write> dlog_ratio_N: array<f32>;

fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// Some drivers' exp makes infinity of NaN.
fn exp_or_nan(x: f32) -> f32 {
  if (is_nan(x)) {
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

// Of the policy term by log_ratio.
fn ratio_slope(log_ratio: f32, advantage: f32) -> f32 {
  if (LOSS == CISPO || abs(log_ratio) > 20.0) { // NaN goes on and stays NaN
    return 0.0;
  }
  let ratio = exp_or_nan(log_ratio);
  if (LOSS == SAPO) {
    let t = select(params.t_neg, params.t_pos, advantage > 0.0);
    let e = exp_or_nan(-abs(t * (ratio - 1.0)));
    return -4.0 * e / ((1.0 + e) * (1.0 + e)) * advantage * ratio;
  }
  let plain = smaller(ratio, params.dual) * advantage;
  let clipped = clamped(ratio, params.low, params.high) * advantage;
  let open = select(0.0, 1.0, ratio <= params.dual);
  let inside = select(0.0, 1.0, ratio >= params.low && ratio <= params.high);
  var share = select(0.0, open, plain < clipped);
  if (plain == clipped) {
    share = 0.5 * (open + inside);
  }
  return -ratio * advantage * share;
}

// Of the KL term by the new log-probability.
fn kl_slope(d: f32) -> f32 {
  if (is_nan(d)) {
    return d;
  }
  if (abs(d) > 20.0) {
    return 0.0;
  }
  if (KL == K1) {
    return 1.0;
  }
  if (KL == K2) {
    return -d;
  }
  if (KL == K3) {
    return 1.0 - exp(d);
  }
  return -sign(d);
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
  let token = token_N4[n];
  let log_ratio = log_ratio_N[n];
  var gradient = token.w * kl_slope(token.x - new_N[n]);
  if (LOSS == CISPO) {
    let ratio = exp_or_nan(clamped(log_ratio, -20.0, 20.0));
    gradient -= token.z * smaller(ratio, params.high) * token.y;
  }
  dnew_N[n] = dy[0] * gradient;
  dlog_ratio_N[n] = dy[0] * token.z * ratio_slope(log_ratio, token.y);
}

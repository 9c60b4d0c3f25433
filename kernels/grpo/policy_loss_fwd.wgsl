// The loss of a policy, per token: a policy term by LOSS, and by KL an estimate of the divergence from a reference.
//   ratio  = exp(clamp(log_ratio, -20, 20))
//   policy = -min(min(ratio, dual) A, clamp(ratio, low, high) A)             LOSS 0, clipped
//            -min(ratio, high) A new, with a constant factor                 LOSS 1, CISPO
//            -4/t sigmoid(t (ratio - 1)) A, t = t_pos where A > 0 else t_neg  LOSS 2, SAPO
//   d      = clamp(ref - new, -20, 20)
//   kl     = -d (KL 1, k1), d^2 / 2 (KL 2, k2), exp(d) - d - 1 (KL 3, k3), |d| (KL 4, abs)
//   loss   = policy_weight policy + kl_weight kl
//   terms  = policy, kl, ratio, side: the bound that makes the policy term a constant: -1 low, +1 high, +2 dual,
//            else 0; CISPO: +1 where its factor is at its cap
// (Clipping, PPO, arXiv 1707.06347; asymmetric, 2503.14476; dual, 1912.09729; CISPO, 2506.13585; SAPO, 2511.20347;
// estimates, joschu.net/blog/kl-approx.html. Formulas as TRL.)
//
// new_N        f32 read        [N]     log-probabilities
// log_ratio_N  f32 read        [N]     new - old, of the token or as the mean over its response
// token_N4     f32 read        [N, 4]  ref, A, policy_weight, kl_weight
// terms_N4     f32 read_write  [N, 4]
// loss_N       f32 read_write  [N]
// grid         gridFor(N, 64)
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
@group(0) @binding(4) var<storage, read_write> terms_N4: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> loss_N: array<f32>;

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

fn policy_term(ratio: f32, advantage: f32, new_logprob: f32) -> f32 {
  if (LOSS == CISPO) {
    return -smaller(ratio, params.high) * advantage * new_logprob;
  }
  if (LOSS == SAPO) {
    let t = select(params.t_neg, params.t_pos, advantage > 0.0);
    let x = t * (ratio - 1.0);
    let e = exp_or_nan(-abs(x)); // of the negative side, which cannot overflow
    return -4.0 / t * select(e, 1.0, x >= 0.0) / (1.0 + e) * advantage;
  }
  return -smaller(
    smaller(ratio, params.dual) * advantage,
    clamped(ratio, params.low, params.high) * advantage,
  );
}

fn kl_term(d: f32) -> f32 {
  if (KL == K1) {
    return -d;
  }
  if (KL == K2) {
    return 0.5 * d * d;
  }
  if (KL == K3) {
    return exp_or_nan(d) - d - 1.0;
  }
  return abs(d);
}

fn clip_side(ratio: f32, advantage: f32) -> f32 {
  if (LOSS == SAPO) {
    return 0.0;
  }
  if (LOSS == CISPO) {
    return select(0.0, 1.0, ratio > params.high);
  }
  if (advantage < 0.0) {
    return select(select(0.0, -1.0, ratio < params.low), 2.0, ratio > params.dual);
  }
  return select(0.0, 1.0, ratio > params.high && advantage > 0.0);
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
  let token = token_N4[n];
  let ratio = exp_or_nan(clamped(log_ratio_N[n], -20.0, 20.0));
  let policy = policy_term(ratio, token.y, new_N[n]);
  let kl = kl_term(clamped(token.x - new_N[n], -20.0, 20.0));
  terms_N4[n] = vec4f(policy, kl, ratio, clip_side(ratio, token.y));
  loss_N[n] = token.z * policy + token.w * kl;
}

// Settles the token of every active slot: the candidate with the highest score among the parts of its row (ties:
// the lowest id; -1 when no part has one, as all logits are NaN or every id is banned). It becomes the slot's
// token, and is appended to its outputs at its length with, as in logprob/logprob_finish,
//   logprob = (x - M) - log S (NaN for -1),  entropy = log S - T / S (nats),
//   M = max m, S = sum s exp(m - M), T = sum exp(m - M) (t + (m - M) s) over the parts
//
// best_NP2      i32 read        [N, parts, 2]: bits of the score, id or -1
// parts_NP4     f32 read        [N, parts, 4]: m, s, t, x of the part's candidate
// active_B      i32 read        [B], B = N
// length_B      i32 read        [B]
// tokens_B      i32 read_write  [B]
// tokens_BT     i32 read_write  [B, T]
// logprobs_BT   f32 read_write  [B, T]
// entropies_BT  f32 read_write  [B, T]
// grid          gridFor(N, 64)
// One thread per row, f32, in the order of the parts: deterministic, with the bits of logprob_finish.
// Tolerance 1e-5.
const PART = 512u;

struct Params {
  rows: u32, // N
  parts: u32,
  max_tokens: u32, // T
  nan_bits: u32, // a constant NaN would not compile
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> best_NP2: array<vec2i>;
@group(0) @binding(2) var<storage, read> parts_NP4: array<vec4f>;
@group(0) @binding(3) var<storage, read> active_B: array<i32>;
@group(0) @binding(4) var<storage, read> length_B: array<u32>;
@group(0) @binding(5) var<storage, read_write> tokens_B: array<i32>;
@group(0) @binding(6) var<storage, read_write> tokens_BT: array<i32>;
@group(0) @binding(7) var<storage, read_write> logprobs_BT: array<f32>;
@group(0) @binding(8) var<storage, read_write> entropies_BT: array<f32>;

@compute @workgroup_size(64)
fn settle_tokens(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let n = id.x + id.y * groups.x * 64u;
  if (n >= params.rows || active_B[n] == 0) {
    return;
  }
  let first = n * params.parts;
  var score = 0.0;
  var token = -1;
  var top = parts_NP4[first].x;
  for (var p = 0u; p < params.parts; p++) {
    let candidate = best_NP2[first + p];
    if (candidate.y >= 0 && (token < 0 || bitcast<f32>(candidate.x) > score)) {
      score = bitcast<f32>(candidate.x);
      token = candidate.y;
    }
    top = max(top, parts_NP4[first + p].x);
  }
  var s = 0.0;
  var t = 0.0;
  for (var p = 0u; p < params.parts; p++) {
    let part = parts_NP4[first + p];
    let d = part.x - top;
    let e = exp(d);
    s += part.y * e;
    t += (part.z + d * part.y) * e;
  }
  let log_s = log(s);
  tokens_B[n] = token;
  if (length_B[n] >= params.max_tokens) {
    return;
  }
  let at = n * params.max_tokens + length_B[n];
  tokens_BT[at] = token;
  entropies_BT[at] = log_s - t / s;
  // A part's candidate lies in the part; anything else must not be read from where it points.
  if (token >= 0 && u32(token) / PART < params.parts) {
    logprobs_BT[at] = (parts_NP4[first + u32(token) / PART].w - top) - log_s;
  } else {
    logprobs_BT[at] = bitcast<f32>(params.nan_bits);
  }
}

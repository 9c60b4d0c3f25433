// Merges the parts of each row: with M = max m, S = sum s exp(m - M), T = sum exp(m - M) (t + (m - M) s),
//   logprob = (x - M) - log S,  entropy = log S - T / S (nats),  logsumexp = M + log S.
//
// parts_NP4    f32 read        [N, parts, 4]: m, s, t, x of the target where the part holds it
// target_N     i32 read        [N]
// logprob_N    f32 read_write  [N]; NaN where the target is outside the vocabulary
// entropy_N    f32 read_write  [N]
// logsumexp_N  f32 read_write  [N]
// grid         gridFor(N, 64)
// One thread per row, f32, in the order of the parts: deterministic. Tolerance 1e-5.
const PART = 512u;

struct Params {
  rows: u32, // N
  parts: u32,
  vocabulary: u32,
  nan_bits: u32, // a constant NaN would not compile
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts_NP4: array<vec4f>;
@group(0) @binding(2) var<storage, read> target_N: array<i32>;
@group(0) @binding(3) var<storage, read_write> logprob_N: array<f32>;
@group(0) @binding(4) var<storage, read_write> entropy_N: array<f32>;
@group(0) @binding(5) var<storage, read_write> logsumexp_N: array<f32>;

@compute @workgroup_size(64)
fn logprob_finish(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let n = id.x + id.y * groups.x * 64u;
  if (n >= params.rows) {
    return;
  }
  let first = n * params.parts;
  var top = parts_NP4[first].x;
  for (var p = 1u; p < params.parts; p++) {
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
  entropy_N[n] = log_s - t / s;
  logsumexp_N[n] = top + log_s;
  let target_id = target_N[n];
  if (target_id >= 0 && u32(target_id) < params.vocabulary) {
    logprob_N[n] = (parts_NP4[first + u32(target_id) / PART].w - top) - log_s;
  } else {
    logprob_N[n] = bitcast<f32>(params.nan_bits);
  }
}

// Puts together what attention_fwd_split found for the pieces of each row's keys:
//   out[n, h] = sum_p w[p] * values[p, n, h] / sum_p w[p] * sum[p, n, h], w[p] = exp(high[p, n, h] - max_p high[p, n, h])
//   lse[n, h] = max_p high + log sum_p w[p] * sum[p], over the pieces in which the row has keys
// A row without keys gives zeros.
//
// values_PNHE  f32 read        [P, N, H * E]
// stats_PNH    f32 read        [P, N, H, 2]: high, sum
// ranges_N4    i32 read        [N, 4], as in attention_fwd_split
// out_NHE      f32 read_write  [N, H * E]
// lse_NH       f32 read_write  [N, H], for the gradient
// grid         gridFor(N * H * E / 4, 64): one thread per row, head and group of four values
// In f32, one piece after the other: deterministic, and the same as attention_fwd_split without pieces. Tolerance 3e-6.
override CHUNK: u32 = 128u; // keys of a piece

struct Params {
  rows: u32, // N
  heads: u32, // H
  quads: u32, // E / 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values_PNHE: array<vec4f>;
@group(0) @binding(2) var<storage, read> stats_PNH: array<vec2f>;
@group(0) @binding(3) var<storage, read> ranges_N4: array<vec4i>;
@group(0) @binding(4) var<storage, read_write> out_NHE: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> lse_NH: array<f32>;

@compute @workgroup_size(64)
fn attention_merge(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  let count = params.rows * params.heads;
  let nh = i / params.quads;
  if (nh >= count) {
    return;
  }
  let range = ranges_N4[nh / params.heads];
  let pieces = (u32(range.y - range.x + range.w - range.z) + CHUNK - 1u) / CHUNK;
  var total = vec4f();
  var total_high = -3.0e38;
  var total_sum = 0.0;
  for (var piece = 0u; piece < pieces; piece++) {
    let stats = stats_PNH[piece * count + nh];
    let value = values_PNHE[piece * count * params.quads + i];
    let top = max(total_high, stats.x);
    let shrink = exp(total_high - top);
    let weight = exp(stats.x - top);
    total = fma(total, vec4f(shrink), value * weight);
    total_sum = fma(total_sum, shrink, stats.y * weight);
    total_high = top;
  }
  out_NHE[i] = total * select(0.0, 1.0 / total_sum, total_sum > 0.0);
  if (i % params.quads == 0u) {
    lse_NH[nh] = select(0.0, total_high + log(total_sum), total_sum > 0.0);
  }
}

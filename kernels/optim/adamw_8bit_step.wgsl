// One step of AdamW as adamw_step, in place, with both moments in 8 bits (arXiv 2110.02861): a value is the value of
// its code times a scale that it shares with a block of 256.
//
// The magnitudes that codes stand for grow with an index: 0, then seven decades d of 2^(d + first) values each,
//   10^(d - 6) * (0.1 + 0.9 * (k + 0.5) / 2^(d + first)),  k = 0, 1, …
// then 1. First is 1 for v, whose code is the index (0 to 255), and 0 for m, whose code is 127 + index or
// 127 - index: indices go to 128, but to 127 below zero. Codes and values are those of bitsandbytes.
// A value takes the code that is nearest, with two rules beyond the paper:
// - The scale of m is the value of largest magnitude with its sign, so that this value is always 1. Since there is no
//   -1, it would otherwise lose 0.7 % in every step wherever it is negative.
// - v that is not 0 never takes code 0 (arXiv 2309.01507, section 4.1): only eps would be left under the quotient.
// The parameter's step takes the moments before they are rounded.
//
// gradient  f32 read        [count]
// hyper     f32 read        [9]: as adamw_step
// clip      f32 read        [3]: norm, factor, skip
// param     f32 read_write  [count]
// m_codes, v_codes    u32 read_write  [count / 4, rounded up]: four codes each, the first in the lowest byte
// m_scales, v_scales  f32 read_write  [count / 256, rounded up]
// The learning rate is times factor_0 for values below end_0, factor_1 for others below end_1, factor_2 for the rest.
// grid      gridFor(count / 256, 64): a thread per block, which needs no barrier
// f32; deterministic. Tolerance 1e-6 of the step, of scales, and of the edges between codes.
const BLOCK = 256u;
const DECADES = 7u;
const UNITS = array<f32, DECADES>(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0);
const M_FIRST = 0u;
const V_FIRST = 1u;
const M_ZERO = 127;
// Below it quotients are not to be trusted: smaller scales may be flushed to zero.
const SMALLEST_NORMAL = 1.1754944e-38;

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
@group(0) @binding(5) var<storage, read_write> m_codes: array<u32>;
@group(0) @binding(6) var<storage, read_write> v_codes: array<u32>;
@group(0) @binding(7) var<storage, read_write> m_scales: array<f32>;
@group(0) @binding(8) var<storage, read_write> v_scales: array<f32>;

fn value_of(index: u32, first: u32) -> f32 {
  let n = index + first;
  let top = firstLeadingBit(n);
  if (index == 0u || top == DECADES + first) {
    return f32(min(index, 1u));
  }
  let items = 1u << top;
  return UNITS[top - first] * (0.1 + 0.9 * (f32(n - items) + 0.5) / f32(items));
}

// The index of the value that is nearest to a magnitude of up to 1.
fn index_of(x: f32, first: u32) -> u32 {
  var unit = UNITS[0];
  var items = 1u << first;
  if (x < 0.5 * unit * (0.1 + 0.45 / f32(items))) {
    return 0u;
  }
  for (var d = 1u; d < DECADES; d++) {
    // Halfway from the last value of a decade, 1 - 0.45 / items, to the first of the next, 1 + 2.25 / items.
    if (x >= unit * (1.0 + 0.9 / f32(items))) {
      unit = UNITS[d];
      items = 2u * items;
    }
  }
  if (x >= 1.0 - 0.225 / f32(64u << first)) {
    return (128u << first) - first;
  }
  let k = clamp((x / unit - 0.1) / 0.9 * f32(items), 0.0, f32(items - 1u));
  return items + u32(k) - first;
}

fn m_code(m: f32, scale: f32) -> u32 {
  if (abs(scale) < SMALLEST_NORMAL) {
    return u32(M_ZERO);
  }
  let x = m / scale;
  let index = i32(index_of(abs(x), M_FIRST));
  return u32(M_ZERO + select(index, -min(index, M_ZERO), x < 0.0));
}

fn v_code(v: f32, scale: f32) -> u32 {
  if (scale < SMALLEST_NORMAL || v == 0.0) {
    return 0u;
  }
  return max(1u, index_of(v / scale, V_FIRST));
}

// m and v of value i after this step, from the codes under the block's old scales.
fn moments_after(i: u32, scales: vec2f) -> vec2f {
  let shift = 8u * (i % 4u);
  let signed_index = i32((m_codes[i / 4u] >> shift) & 0xffu) - M_ZERO;
  let m = scales.x * f32(sign(signed_index)) * value_of(u32(abs(signed_index)), M_FIRST);
  let v = scales.y * value_of((v_codes[i / 4u] >> shift) & 0xffu, V_FIRST);
  let g = gradient[i] * clip[1];
  return vec2f(m + (g - m) * hyper[7], v * hyper[2] + g * g * hyper[8]);
}

@compute @workgroup_size(64)
fn adamw_8bit_step(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let block = id.x + id.y * groups.x * 64u;
  let start = block * BLOCK;
  if (start >= params.count || clip[2] != 0.0) {
    return;
  }
  let end = min(start + BLOCK, params.count);
  let old_scales = vec2f(m_scales[block], v_scales[block]);
  var scales = vec2f();
  for (var i = start; i < end; i++) {
    let moments = moments_after(i, old_scales);
    scales.x = select(scales.x, moments.x, abs(moments.x) > abs(scales.x));
    scales.y = max(scales.y, moments.y);
    let factor = select(select(params.factor_2, params.factor_1, i < params.end_1), params.factor_0, i < params.end_0);
    let lr = hyper[0] * factor;
    let decayed = param[i] * (1.0 - lr * hyper[4]);
    param[i] = decayed - lr / hyper[5] * moments.x / (sqrt(moments.y) / sqrt(hyper[6]) + hyper[3]);
  }
  // The moments once more, because 512 values are too many to keep.
  for (var first = start; first < end; first += 4u) {
    var m_word = 0u;
    var v_word = 0u;
    for (var i = first; i < min(first + 4u, end); i++) {
      let moments = moments_after(i, old_scales);
      let shift = 8u * (i % 4u);
      m_word |= m_code(moments.x, scales.x) << shift;
      v_word |= v_code(moments.y, scales.y) << shift;
    }
    m_codes[first / 4u] = m_word;
    v_codes[first / 4u] = v_word;
  }
  m_scales[block] = scales.x;
  v_scales[block] = scales.y;
}

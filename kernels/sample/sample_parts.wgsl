// The best candidate of each part of PART columns of a slice of logits, with x = logit * scale:
//   score(v) = x(v) + gumbel(v)   (GREEDY: x(v)),   over v not in the list of banned ids; ties: the lowest v.
// The maximum of x + Gumbel noise over all v is a draw from softmax(x).
//   ADJUSTED: x comes from adjust_logits, which has left out the banned ids
//   CUT: only v with x(v) no less than the lowest value kept, and than the largest of the row + min_offset
//
// Noise: Philox4x32-10 (Salmon et al. 2011), key (seed, step), counter (prompt, response, position, v / 4);
// its word v % 4 becomes w = (word + 1/2) / 2^32 and gumbel = -log(-log(1 - w)).
//
// logits_NS   f32 read        [N, stride], columns from first_part * PART; stride a multiple of 4
// adjusted_NS f32 read        [N, stride]; anything without ADJUSTED
// cut_N4      u32 read        [N, 4]: bits of the largest value, bits of the lowest value kept, -, -; anything
//                             without CUT
// parts_NP4   f32 read_write  [N, parts, 4]: its last value becomes logit * scale of the candidate, which is
//                             where logprob/logprob_finish looks for the token that is chosen in the end
// best_NP2    i32 read_write  [N, parts, 2]: bits of the score, v; v = -1 when a part has no candidate
// keys_B4     i32 read        [N, 4]: seed, step, prompt, response
// length_B    i32 read        [N]: position in the response
// banned      i32 read        any length; -1 matches nothing
// grid        gridFor(N * parts of the slice, WORKGROUP)
// f32; deterministic. The noise is exact in its integers and within 1e-4 after the logarithms.
override WORKGROUP: u32 = 64u;
override GREEDY: bool = false;
override ADJUSTED: bool = false;
override CUT: bool = false;
const PART = 512u;
const LOWEST: f32 = -3.4e38;

struct Params {
  rows: u32, // N
  columns: u32, // of the slice
  stride: u32, // of logits_NS, in groups of 4
  first_part: u32,
  parts: u32, // of the whole vocabulary
  scale: f32, // 1 / temperature
  min_offset: f32, // log of min-p
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits_NS: array<vec4f>;
@group(0) @binding(2) var<storage, read> adjusted_NS: array<vec4f>;
@group(0) @binding(3) var<storage, read> cut_N4: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> parts_NP4: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> best_NP2: array<vec2i>;
@group(0) @binding(6) var<storage, read> keys_B4: array<vec4u>;
@group(0) @binding(7) var<storage, read> length_B: array<u32>;
@group(0) @binding(8) var<storage, read> banned: array<i32>;

// The upper 32 bits of a product, in halves of 16 bits.
fn multiply_high(a: u32, b: u32) -> u32 {
  let middle = (a >> 16u) * (b & 0xffffu) + (((a & 0xffffu) * (b & 0xffffu)) >> 16u);
  let carry = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (carry >> 16u);
}

fn philox(first_key: vec2u, counter: vec4u) -> vec4u {
  var key = first_key;
  var c = counter;
  for (var round = 0u; round < 10u; round++) {
    c = vec4u(
      multiply_high(0xcd9e8d57u, c.z) ^ c.y ^ key.x,
      0xcd9e8d57u * c.z,
      multiply_high(0xd2511f53u, c.x) ^ c.w ^ key.y,
      0xd2511f53u * c.x,
    );
    key += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

fn gumbel(words: vec4u) -> vec4f {
  let w = (vec4f(words) + 0.5) * 2.3283064365386963e-10; // 2^-32
  // Near 0 the difference 1 - w would lose the digits that the largest noise comes from.
  let near_zero = w * (1.0 + w * (0.5 + w * 0.33333333));
  let far = -log(max(1.0 - w, vec4f(2.98e-8)));
  return -log(select(far, near_zero, w < vec4f(0.001)));
}

fn is_banned(v: i32) -> bool {
  for (var i = 0u; i < arrayLength(&banned); i++) {
    if (banned[i] == v) {
      return true;
    }
  }
  return false;
}

@compute @workgroup_size(WORKGROUP)
fn sample_parts(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * WORKGROUP;
  let slice_parts = (params.columns + PART - 1u) / PART;
  if (i >= params.rows * slice_parts) {
    return;
  }
  let n = i / slice_parts;
  let part = i % slice_parts;
  let columns = min(PART, params.columns - part * PART);
  let at = n * params.stride + part * (PART / 4u);
  let first_column = (params.first_part + part) * PART;
  let keys = keys_B4[n];
  var lowest = LOWEST;
  if (CUT) {
    lowest = max(bitcast<f32>(cut_N4[n].y), bitcast<f32>(cut_N4[n].x) + params.min_offset);
  }

  var best_score = LOWEST;
  var best_x = 0.0;
  var best = -1;
  for (var g = 0u; g < (columns + 3u) / 4u; g++) {
    let own = logits_NS[at + g] * params.scale;
    var x = own;
    if (ADJUSTED) {
      x = adjusted_NS[at + g];
    }
    var score = x;
    if (!GREEDY) {
      score += gumbel(philox(keys.xy, vec4u(keys.zw, length_B[n], first_column / 4u + g)));
    }
    for (var j = 0u; j < min(4u, columns - g * 4u); j++) {
      let v = i32(first_column + g * 4u + j);
      let is_kept = !CUT || x[j] >= lowest;
      if (score[j] > best_score && is_kept && (ADJUSTED || !is_banned(v))) {
        best_score = score[j];
        best_x = own[j];
        best = v;
      }
    }
  }
  let to = n * params.parts + params.first_part + part;
  parts_NP4[to].w = best_x;
  best_NP2[to] = vec2i(bitcast<i32>(best_score), best);
}

// What the choice of a token goes by, from a slice of logits, in the order of Hugging Face `generate`:
//   PENALTY: logit of a token that occurred before: * penalty below 0, / penalty otherwise
//   x = logit * scale;   EXCLUDED for banned ids, for end tokens before min_tokens and for NaN
// and the largest x of every chunk of CHUNK columns.
//
// logits_NS    f32 read        [N, stride], columns of the vocabulary from first_chunk * CHUNK; stride a
//                              multiple of 4, columns past the slice's hold anything
// adjusted_NS  f32 read_write  [N, stride]; x, finite; EXCLUDED past the slice's columns up to a multiple of 4
// tops_NC      f32 read_write  [N, chunks]
// seen_NC4     u32 read        [N, chunks, 4]: a bit for every id, the lowest first; anything without PENALTY
// banned       i32 read        any length; -1 matches nothing
// end_tokens   i32 read        any length; -1 matches nothing
// length_B     i32 read        [N]: tokens sampled so far
// grid         gridFor(N * chunks of the slice, 64)
// One thread per row and chunk: deterministic. x is exact up to the rounding of product and quotient.
override PENALTY: bool = false;
const CHUNK = 128u;
const EXCLUDED = -3.4028234663852886e38;

struct Params {
  rows: u32, // N
  columns: u32, // of the slice
  stride: u32, // of logits_NS, in groups of 4
  first_chunk: u32,
  chunks: u32, // of the whole vocabulary
  min_tokens: u32,
  scale: f32, // 1 / temperature
  penalty: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits_NS: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> adjusted_NS: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> tops_NC: array<f32>;
@group(0) @binding(4) var<storage, read> seen_NC4: array<vec4u>;
@group(0) @binding(5) var<storage, read> banned: array<i32>;
@group(0) @binding(6) var<storage, read> end_tokens: array<i32>;
@group(0) @binding(7) var<storage, read> length_B: array<u32>;

// A bit for every column of the chunk that must not be chosen.
fn forbidden(n: u32, first_column: i32) -> vec4u {
  var bits = vec4u();
  for (var i = 0u; i < arrayLength(&banned); i++) {
    let column = u32(banned[i] - first_column);
    if (column < CHUNK) {
      bits[column / 32u] |= 1u << (column % 32u);
    }
  }
  if (length_B[n] < params.min_tokens) {
    for (var i = 0u; i < arrayLength(&end_tokens); i++) {
      let column = u32(end_tokens[i] - first_column);
      if (column < CHUNK) {
        bits[column / 32u] |= 1u << (column % 32u);
      }
    }
  }
  return bits;
}

// The bits of group g of four columns.
fn four(bits: vec4u, g: u32) -> vec4<bool> {
  return (vec4u(bits[g / 8u] >> (4u * (g % 8u))) & vec4u(1u, 2u, 4u, 8u)) != vec4u();
}

@compute @workgroup_size(64)
fn adjust_logits(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  let slice_chunks = (params.columns + CHUNK - 1u) / CHUNK;
  if (i >= params.rows * slice_chunks) {
    return;
  }
  let n = i / slice_chunks;
  let chunk = i % slice_chunks;
  let columns = min(CHUNK, params.columns - chunk * CHUNK);
  let at = n * params.stride + chunk * (CHUNK / 4u);
  let to = n * params.chunks + params.first_chunk + chunk;
  let out = forbidden(n, i32((params.first_chunk + chunk) * CHUNK));
  var seen = vec4u();
  if (PENALTY) {
    seen = seen_NC4[to];
  }

  var top = vec4f(EXCLUDED);
  for (var g = 0u; g < (columns + 3u) / 4u; g++) {
    let logit = logits_NS[at + g];
    // By its bits: a compiler may assume that no value is NaN.
    let is_nan = (bitcast<vec4u>(logit) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
    var x = logit;
    if (PENALTY) {
      let penalised = select(x / params.penalty, x * params.penalty, x < vec4f());
      x = select(x, penalised, four(seen, g));
    }
    x *= params.scale;
    let past = vec4u(4u * g) + vec4u(0u, 1u, 2u, 3u) >= vec4u(columns);
    let excluded = is_nan | four(out, g) | past;
    x = select(clamp(x, vec4f(EXCLUDED), vec4f(-EXCLUDED)), vec4f(EXCLUDED), excluded);
    adjusted_NS[at + g] = x;
    top = max(top, x);
  }
  tops_NC[to] = max(max(top.x, top.y), max(top.z, top.w));
}

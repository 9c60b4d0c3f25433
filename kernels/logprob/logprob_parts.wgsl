// One pass over a slice of logits: for each row n and each part of PART columns, with x = logit * scale,
//   m = max x,  s = sum exp(x - m),  t = sum (x - m) exp(x - m),  and x of the target where the part holds it.
//
// logits_NS   f32 read        [N, stride], columns of the vocabulary from first_part * PART; stride a multiple
//                             of 4, columns past the slice's hold anything
// target_N    i32 read        [N]
// parts_NP4   f32 read_write  [N, parts, 4]: m, s, t, x of the target (0 in the other parts)
// grid        gridFor(N * parts of the slice, WORKGROUP)
// One thread per row and part: how many threads share a row depends on the vocabulary only, and a part's result
// on nothing but its row, so that rollouts and training agree to the bit. f32; deterministic.
// Tolerance 1e-6 * the largest |x| for m and x, 1e-5 relative for s and t.
const PART = 512u;

override WORKGROUP: u32 = 64u;
struct Params {
  rows: u32, // N
  columns: u32, // of the slice
  stride: u32, // of logits_NS, in groups of 4
  first_part: u32,
  parts: u32, // of the whole vocabulary
  scale: f32, // 1 / temperature
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits_NS: array<vec4f>;
@group(0) @binding(2) var<storage, read> target_N: array<i32>;
@group(0) @binding(3) var<storage, read_write> parts_NP4: array<vec4f>;

@compute @workgroup_size(WORKGROUP)
fn logprob_parts(
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
  let whole = columns / 4u;
  let rest = columns % 4u;

  var top = vec4f(-3.4e38);
  for (var g = 0u; g < whole; g++) {
    top = max(top, logits_NS[at + g] * params.scale);
  }
  var m = max(max(top.x, top.y), max(top.z, top.w));
  for (var j = 0u; j < rest; j++) {
    m = max(m, logits_NS[at + whole][j] * params.scale);
  }

  var s4 = vec4f();
  var t4 = vec4f();
  for (var g = 0u; g < whole; g++) {
    let d = logits_NS[at + g] * params.scale - m;
    let e = exp(d);
    s4 += e;
    t4 += d * e;
  }
  var s = (s4.x + s4.y) + (s4.z + s4.w);
  var t = (t4.x + t4.y) + (t4.z + t4.w);
  for (var j = 0u; j < rest; j++) {
    let d = logits_NS[at + whole][j] * params.scale - m;
    let e = exp(d);
    s += e;
    t += d * e;
  }

  var x = 0.0;
  let column = target_N[n] - i32((params.first_part + part) * PART);
  if (column >= 0 && column < i32(columns)) {
    x = logits_NS[at + u32(column) / 4u][u32(column) % 4u] * params.scale;
  }
  parts_NP4[n * params.parts + params.first_part + part] = vec4f(m, s, t, x);
}

// One digit of the search for the largest key at or above which lies at least the goal's weight of a row:
//   sum[j] = weight at or above base + j * 2^shift,   base += 2^shift * #{ j > 0 : sum[j] >= goal }
// At the first digit (shift 28) the goal is set: params.goal, or that share of sum[0], the weight of all
// that is kept so far. After the last one (shift 0) the value of the key becomes the lowest value kept.
//
// sums_NG16  f32 read        [N, groups of chunks, 16]
// cut_N4     u32 read_write  [N, 4]: bits of the largest value, bits of the lowest value kept, base, bits of
//                            the goal
// grid       gridFor(N, 64)
// One thread per row, f32 in the order of the groups: deterministic. Each sum is monotone in j, because its
// terms are not negative and come in the same order; so the digits are those of one key. Within 1e-6 relative.
struct Params {
  rows: u32, // N
  chunk_groups: u32,
  shift: u32,
  relative: u32, // 1: the goal is a share
  goal: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums_NG16: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> cut_N4: array<vec4u>;

fn key(bits: u32) -> u32 {
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

fn bits_of(key: u32) -> u32 {
  return select(~key, key & 0x7fffffffu, key >= 0x80000000u);
}

fn reached(sums: vec4f, goal: f32) -> u32 {
  let ones = select(vec4u(), vec4u(1u), sums >= vec4f(goal));
  return ones.x + ones.y + ones.z + ones.w;
}

@compute @workgroup_size(64)
fn narrow_cut(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let n = id.x + id.y * groups.x * 64u;
  if (n >= params.rows) {
    return;
  }
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  for (var g = 0u; g < params.chunk_groups; g++) {
    let at = (n * params.chunk_groups + g) * 4u;
    sum0 += sums_NG16[at];
    sum1 += sums_NG16[at + 1u];
    sum2 += sums_NG16[at + 2u];
    sum3 += sums_NG16[at + 3u];
  }
  var cut = cut_N4[n];
  if (params.shift == 28u) {
    cut.w = bitcast<u32>(params.goal * select(1.0, sum0.x, params.relative == 1u));
  }
  let goal = bitcast<f32>(cut.w);
  // sum[0] falls short only when a count is larger than the row.
  let borders = reached(sum0, goal) + reached(sum1, goal) + reached(sum2, goal) + reached(sum3, goal);
  let digit = max(borders, 1u) - 1u;
  cut.z += digit << params.shift;
  if (params.shift == 0u) {
    cut.y = bits_of(max(key(cut.y), min(cut.z, key(cut.x))));
    cut.z = 0u;
  }
  cut_N4[n] = cut;
}

// sums[slot + i] = sum of values[j] (SQUARES: of values[j]^2) over the i-th block of `block` values.
//
// values  f32 read        [count]
// sums    f32 read_write  at least slot + ceil(count / block)
// grid    gridFor(ceil(count / block), 64)
// One thread per block, four f32 accumulators over the values in turn, added at the end: deterministic.
// Tolerance 1e-7 * block / 4 of the sum of magnitudes.
override SQUARES: bool = false;

struct Params {
  count: u32,
  block: u32,
  slot: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

fn term(i: u32) -> f32 {
  let value = values[i];
  if (SQUARES) {
    return value * value;
  }
  return value;
}

@compute @workgroup_size(64)
fn sum_blocks(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  let first = i * params.block;
  if (first >= params.count) {
    return;
  }
  let size = min(params.block, params.count - first);
  let end = first + size;
  let fours = first + size / 4u * 4u;
  var sum = vec4f();
  var j = first;
  for (; j < fours; j += 4u) {
    sum += vec4f(term(j), term(j + 1u), term(j + 2u), term(j + 3u));
  }
  for (; j < end; j++) {
    sum.x += term(j);
  }
  sums[params.slot + i] = (sum.x + sum.y) + (sum.z + sum.w);
}

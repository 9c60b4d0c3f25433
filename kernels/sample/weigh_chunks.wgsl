// For each row and chunk of CHUNK columns of a slice, the weight of its values at or above each of 16 borders:
//   out[j] = sum of w(x) over x >= lowest value kept so far with key(x) >= base + j * 2^shift
//   w(x) = 1   (MASS: exp(x - largest value of the row))
// key is the order of floating-point numbers as whole numbers, so that a search over digits of keys is exact.
//
// adjusted_NS    f32 read        [N, stride], columns from first_chunk * CHUNK; stride a multiple of 4
// tops_NC        f32 read        [N, chunks]: the largest value of each chunk
// cut_N4         u32 read        [N, 4]: bits of the largest value, bits of the lowest value kept, base, -
// weights_NC16   f32 read_write  [N, chunks, 16]
// grid           gridFor(N * chunks of the slice, 64)
// One thread per row and chunk, f32 in the order of the columns: deterministic. Counts are exact up to 2^24;
// masses are within 1e-5 relative.
override MASS: bool = false;
const CHUNK = 128u;

struct Params {
  rows: u32, // N
  columns: u32, // of the slice
  stride: u32, // of adjusted_NS, in groups of 4
  first_chunk: u32,
  chunks: u32, // of the whole vocabulary
  shift: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> adjusted_NS: array<vec4f>;
@group(0) @binding(2) var<storage, read> tops_NC: array<f32>;
@group(0) @binding(3) var<storage, read> cut_N4: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> weights_NC16: array<vec4f>;

fn key(x: vec4f) -> vec4u {
  let bits = bitcast<vec4u>(x);
  return select(bits | vec4u(0x80000000u), ~bits, bits >= vec4u(0x80000000u));
}

@compute @workgroup_size(64)
fn weigh_chunks(
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
  let from_chunk = n * params.chunks + params.first_chunk + chunk;
  let cut = cut_N4[n];
  let top = bitcast<f32>(cut.x);
  let lowest = bitcast<f32>(cut.y);
  let base = cut.z;

  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  // After the first digits most columns, and soon most chunks, have nothing at or above the base.
  if (key(vec4f(tops_NC[from_chunk])).x >= base) {
    let digits = vec4u(0u, 1u, 2u, 3u);
    let border0 = vec4u(base) + (digits << vec4u(params.shift));
    let border1 = vec4u(base) + ((digits + 4u) << vec4u(params.shift));
    let border2 = vec4u(base) + ((digits + 8u) << vec4u(params.shift));
    let border3 = vec4u(base) + ((digits + 12u) << vec4u(params.shift));
    for (var g = 0u; g < (columns + 3u) / 4u; g++) {
      let x = adjusted_NS[at + g];
      let keys = key(x);
      if (all(keys < vec4u(base))) {
        continue;
      }
      var w = vec4f(1.0);
      if (MASS) {
        w = exp(x - top);
      }
      w = select(vec4f(), w, x >= vec4f(lowest));
      for (var j = 0u; j < 4u; j++) {
        let k = vec4u(keys[j]);
        let weight = vec4f(w[j]);
        sum0 += select(vec4f(), weight, k >= border0);
        sum1 += select(vec4f(), weight, k >= border1);
        sum2 += select(vec4f(), weight, k >= border2);
        sum3 += select(vec4f(), weight, k >= border3);
      }
    }
  }
  weights_NC16[from_chunk * 4u] = sum0;
  weights_NC16[from_chunk * 4u + 1u] = sum1;
  weights_NC16[from_chunk * 4u + 2u] = sum2;
  weights_NC16[from_chunk * 4u + 3u] = sum3;
}

// out[n] = table[index[n]] when index[n] >= 0, else features[-1 - index[n]]: token embeddings with image
// features in their places, and picking rows in general.
//
// table_RD     FORMAT read     [slice_rows, D] of a table of table_rows, D a multiple of 4, in words of two, as
//                              w_MK in linear_nt
// scales_RG    f32 read        [slice_rows, D / GROUP, rounded up] for int8 / int4, as in linear_nt; anything for
//                              other formats
// features_FD  f32 read        [F, D]; unused when feature_rows is 0
// index_N      i32 read        [N]
// out_ND       f32 read_write  [N, D]
// grid         gridFor(N * D / 4, 64)
// One dispatch per slice writes the rows that lie in it; the first also writes the features and NaN for an
// index outside both. A copy, or the product of scale and integer: exact, deterministic.
override FORMAT: u32 = 0u; // 0 f32, 1 bf16, 2 f16, 3 int8, 4 int4
override GROUP: u32 = 32u; // integers that share a scale: 32 or 64
override F16_SCALES: bool = false; // two to a word

struct Params {
  rows: u32, // N
  columns: u32, // D / 4
  first_row: u32,
  slice_rows: u32,
  table_rows: u32,
  feature_rows: u32,
  nan_bits: u32, // a constant NaN would not compile
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table_RD: array<vec2u>;
@group(0) @binding(2) var<storage, read> scales_RG: array<u32>;
@group(0) @binding(3) var<storage, read> features_FD: array<vec4f>;
@group(0) @binding(4) var<storage, read> index_N: array<i32>;
@group(0) @binding(5) var<storage, read_write> out_ND: array<vec4f>;

// Fours of a run, to whole ones of which rows of integers are padded.
const RUN = 8u;

// The scale of a row for its four `column`; f16 ones are stored as 2^12 times their value.
fn scale_of(row: u32, column: u32) -> f32 {
  let groups = (4u * params.columns + GROUP - 1u) / GROUP;
  let g = 4u * column / GROUP;
  if (F16_SCALES) {
    let two = unpack2x16float(scales_RG[row * ((groups + 1u) / 2u) + g / 2u]);
    return 0x1p-12 * select(two.x, two.y, g % 2u == 1u);
  }
  return bitcast<f32>(scales_RG[row * groups + g]);
}

// The four `column` of a row.
fn table(row: u32, column: u32) -> vec4f {
  if (FORMAT >= 3u) {
    return scale_of(row, column) * integers(row * ((params.columns + RUN - 1u) / RUN * RUN) + column);
  }
  let i = row * params.columns + column;
  if (FORMAT == 0u) {
    return vec4f(bitcast<vec2f>(table_RD[2u * i]), bitcast<vec2f>(table_RD[2u * i + 1u]));
  }
  let p = table_RD[i];
  if (FORMAT == 1u) {
    return bitcast<vec4f>(vec4u(p.x << 16u, p.x & 0xffff0000u, p.y << 16u, p.y & 0xffff0000u));
  }
  return vec4f(unpack2x16float(p.x), unpack2x16float(p.y));
}

fn integers(i: u32) -> vec4f {
  if (FORMAT == 3u) {
    let p = table_RD[i >> 1u][i & 1u];
    return vec4f(bitcast<vec4i>(vec4u(p) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u));
  }
  let p = table_RD[i >> 2u][(i >> 1u) & 1u] >> (16u * (i & 1u));
  return vec4f(bitcast<vec4i>(vec4u(p) << vec4u(28u, 24u, 20u, 16u)) >> vec4u(28u));
}

@compute @workgroup_size(64)
fn gather_rows_fwd(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.rows * params.columns) {
    return;
  }
  let index = index_N[i / params.columns];
  let column = i % params.columns;
  if (index >= 0 && u32(index) < params.table_rows) {
    // Wraps to a large number for rows before the slice.
    let row = u32(index) - params.first_row;
    if (row < params.slice_rows) {
      out_ND[i] = table(row, column);
    }
    return;
  }
  if (params.first_row > 0u) {
    return;
  }
  let feature = u32(-1 - index);
  if (index < 0 && feature < params.feature_rows) {
    out_ND[i] = features_FD[feature * params.columns + column];
  } else {
    out_ND[i] = vec4f(bitcast<f32>(params.nan_bits));
  }
}

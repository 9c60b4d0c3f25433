// The gradient of swiglu_fwd, with gate = x[n, f], up = x[n, F + f], s = 1 / (1 + exp(-gate)):
//   dx[n, f]     = dy[n, f] * up * s * (1 + gate * (1 - s))
//   dx[n, F + f] = dy[n, f] * gate * s
//
// x_N2F   f32 read        [N, 2 F]: gates, then ups
// dy_NF   f32 read        [N, F], `count` values
// dx_N2F  f32 read_write  [N, 2 F]
// grid    gridFor(ceil(count / 4), 64)
// A thread takes four values of dy a stride of all threads apart. Deterministic. Tolerance 1e-6.
struct Params {
  count: u32,
  threads: u32, // ceil(count / 4)
  columns: u32, // F
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_N2F: array<f32>;
@group(0) @binding(2) var<storage, read> dy_NF: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx_N2F: array<f32>;

@compute @workgroup_size(64)
fn swiglu_bwd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = id.x + id.y * groups.x * 64u;
  if (first >= params.threads) {
    return;
  }
  let columns = params.columns;
  for (var i = first; i < params.count; i += params.threads) {
    // Row n of x starts n * F values further on than that of dy.
    let at = i + i / columns * columns;
    let gate = x_N2F[at];
    let up = x_N2F[at + columns];
    let dy = dy_NF[i];
    let sigmoid = 1.0 / (1.0 + exp(-gate));
    dx_N2F[at] = dy * up * sigmoid * (1.0 + gate * (1.0 - sigmoid));
    dx_N2F[at + columns] = dy * gate * sigmoid;
  }
}

// y[n, f] = silu(gate) * up, gate = x[n, f], up = x[n, F + f], silu(g) = g / (1 + exp(-g))
//
// x_N2F  f32 read        [N, 2 F]: gates, then ups
// y_NF   f32 read_write  [N, F], `count` values
// grid   gridFor(ceil(count / 4), 64)
// A thread takes four values a stride of all threads apart: any count, and neighbours read neighbours.
// Deterministic. Tolerance 1e-6.
struct Params {
  count: u32,
  threads: u32, // ceil(count / 4)
  columns: u32, // F
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_N2F: array<f32>;
@group(0) @binding(2) var<storage, read_write> y_NF: array<f32>;

@compute @workgroup_size(64)
fn swiglu_fwd(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let first = id.x + id.y * groups.x * 64u;
  if (first >= params.threads) {
    return;
  }
  let columns = params.columns;
  for (var i = first; i < params.count; i += params.threads) {
    // Row n of x starts n * F values further on than that of y.
    let at = i + i / columns * columns;
    let gate = x_N2F[at];
    y_NF[i] = gate / (1.0 + exp(-gate)) * x_N2F[at + columns];
  }
}

// As linear_nt, for f32 weights and many rows on CPU drivers with wide vectors (gpu/kernel-family.ts):
// y[n, y_offset + m] = scale * sum_k x[n, k] * w[m, k] + bias[y_offset + m] + residual[n, y_offset + m]
// GATED: y[n, m] = silu(g) * u, g and u the products with rows m and M + m of w, as activation/swiglu_fwd
//
// x_NK         f32 read        [N, K]
// w_MK         f32 read        [M, K], with GATED [2 M, K]
// bias_Y       f32 read        [Y]; anything without HAS_BIAS
// residual_NY  f32 read        [N, Y]; anything without HAS_RESIDUAL
// y_NY         f32 read_write  [N, Y]; its own residual with ACCUMULATE
// grid         x: ceil(rows of w / 64), y: ceil(N / HEIGHT)
// A thread computes HEIGHT rows by 8 columns, one fused multiply-add after the other in the order of k. The driver turns
// each component of a load into a branch for every lane; what counts is many sums for a load, and a loop whose code
// stays small. The rows are the same for all threads of a workgroup: their loads are uniform.
// Deterministic, with the bits of linear_nt. Tolerance 1e-6 * K.
override HEIGHT: u32 = 16u; // 8 or 16
override HAS_BIAS: bool = false;
override HAS_RESIDUAL: bool = false;
override ACCUMULATE: bool = false;
override GATED: bool = false; // without the other three

struct Params {
  rows: u32, // N
  inner: u32, // K
  columns: u32, // M
  y_stride: u32, // Y
  y_offset: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_NK: array<f32>;
@group(0) @binding(2) var<storage, read> w_MK: array<f32>;
@group(0) @binding(3) var<storage, read> bias_Y: array<f32>;
@group(0) @binding(4) var<storage, read> residual_NY: array<f32>;
@group(0) @binding(5) var<storage, read_write> y_NY: array<f32>;

// Eight columns of a row.
struct Eight {
  a: vec4f,
  b: vec4f,
}

fn absorb(sums: Eight, x: f32, w: Eight) -> Eight {
  return Eight(fma(vec4f(x), w.a, sums.a), fma(vec4f(x), w.b, sums.b));
}

fn store(n: u32, first: u32, sums: vec4f) {
  if (n >= params.rows) {
    return;
  }
  for (var m = first; m < min(first + 4u, params.columns); m++) {
    let at = n * params.y_stride + params.y_offset + m;
    var value = params.scale * sums[m - first];
    if (HAS_BIAS) {
      value += bias_Y[params.y_offset + m];
    }
    if (HAS_RESIDUAL) {
      value += residual_NY[at];
    }
    if (ACCUMULATE) {
      value += y_NY[at];
    }
    y_NY[at] = value;
  }
}

fn finish(n: u32, m: u32, sums: Eight) {
  if (GATED) {
    if (n < params.rows) {
      let gates = params.scale * sums.a;
      let gated = gates / (1.0 + exp(-gates)) * (params.scale * sums.b);
      for (var j = 0u; j < min(4u, params.columns - m); j++) {
        y_NY[n * params.y_stride + params.y_offset + m + j] = gated[j];
      }
    }
    return;
  }
  store(n, m, sums.a);
  store(n, m + 4u, sums.b);
}

@compute @workgroup_size(8)
fn linear_nt_tall(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m = (group.x * 8u + lane) * select(8u, 4u, GATED);
  let n = group.y * HEIGHT;
  if (m >= params.columns) {
    return;
  }
  let inner = params.inner;
  // Rows and columns past the end are read again; their results are not stored.
  let last_n = params.rows - 1u;
  let last_m = vec4u(params.columns - 1u);
  let x0 = min(n + 0u, last_n) * inner;
  let x1 = min(n + 1u, last_n) * inner;
  let x2 = min(n + 2u, last_n) * inner;
  let x3 = min(n + 3u, last_n) * inner;
  let x4 = min(n + 4u, last_n) * inner;
  let x5 = min(n + 5u, last_n) * inner;
  let x6 = min(n + 6u, last_n) * inner;
  let x7 = min(n + 7u, last_n) * inner;
  let x8 = min(n + 8u, last_n) * inner;
  let x9 = min(n + 9u, last_n) * inner;
  let x10 = min(n + 10u, last_n) * inner;
  let x11 = min(n + 11u, last_n) * inner;
  let x12 = min(n + 12u, last_n) * inner;
  let x13 = min(n + 13u, last_n) * inner;
  let x14 = min(n + 14u, last_n) * inner;
  let x15 = min(n + 15u, last_n) * inner;
  let ma = min(vec4u(m) + vec4u(0u, 1u, 2u, 3u), last_m);
  let mb = min(vec4u(m) + vec4u(4u, 5u, 6u, 7u), last_m);
  let wa = ma * inner;
  let wb = select(mb, ma + params.columns, vec4<bool>(GATED)) * inner;
  var sums0 = Eight();
  var sums1 = Eight();
  var sums2 = Eight();
  var sums3 = Eight();
  var sums4 = Eight();
  var sums5 = Eight();
  var sums6 = Eight();
  var sums7 = Eight();
  var sums8 = Eight();
  var sums9 = Eight();
  var sums10 = Eight();
  var sums11 = Eight();
  var sums12 = Eight();
  var sums13 = Eight();
  var sums14 = Eight();
  var sums15 = Eight();
  for (var k = 0u; k < inner; k++) {
    let a = wa + k;
    let b = wb + k;
    let w = Eight(
      vec4f(w_MK[a.x], w_MK[a.y], w_MK[a.z], w_MK[a.w]),
      vec4f(w_MK[b.x], w_MK[b.y], w_MK[b.z], w_MK[b.w]),
    );
    sums0 = absorb(sums0, x_NK[x0 + k], w);
    sums1 = absorb(sums1, x_NK[x1 + k], w);
    sums2 = absorb(sums2, x_NK[x2 + k], w);
    sums3 = absorb(sums3, x_NK[x3 + k], w);
    sums4 = absorb(sums4, x_NK[x4 + k], w);
    sums5 = absorb(sums5, x_NK[x5 + k], w);
    sums6 = absorb(sums6, x_NK[x6 + k], w);
    sums7 = absorb(sums7, x_NK[x7 + k], w);
    if (HEIGHT > 8u) {
      sums8 = absorb(sums8, x_NK[x8 + k], w);
      sums9 = absorb(sums9, x_NK[x9 + k], w);
      sums10 = absorb(sums10, x_NK[x10 + k], w);
      sums11 = absorb(sums11, x_NK[x11 + k], w);
      sums12 = absorb(sums12, x_NK[x12 + k], w);
      sums13 = absorb(sums13, x_NK[x13 + k], w);
      sums14 = absorb(sums14, x_NK[x14 + k], w);
      sums15 = absorb(sums15, x_NK[x15 + k], w);
    }
  }
  finish(n + 0u, m, sums0);
  finish(n + 1u, m, sums1);
  finish(n + 2u, m, sums2);
  finish(n + 3u, m, sums3);
  finish(n + 4u, m, sums4);
  finish(n + 5u, m, sums5);
  finish(n + 6u, m, sums6);
  finish(n + 7u, m, sums7);
  if (HEIGHT > 8u) {
    finish(n + 8u, m, sums8);
    finish(n + 9u, m, sums9);
    finish(n + 10u, m, sums10);
    finish(n + 11u, m, sums11);
    finish(n + 12u, m, sums12);
    finish(n + 13u, m, sums13);
    finish(n + 14u, m, sums14);
    finish(n + 15u, m, sums15);
  }
}

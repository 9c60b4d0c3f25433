// The clip state from the sum of squares of all gradients:
//   norm = sqrt(sum),  factor = min(1, max_norm / (norm + 1e-6)) (torch.nn.utils.clip_grad_norm_), 1 when
//   max_norm is 0,  skip = 1 when the norm is not finite, else 0
//
// squares  f32 read        [1]
// clip     f32 read_write  [3]: norm, factor, skip
// grid     1
// f32; deterministic. Tolerance 1e-6.
struct Params {
  max_norm: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> squares: array<f32>;
@group(0) @binding(2) var<storage, read_write> clip: array<f32>;

@compute @workgroup_size(1)
fn clip_scale() {
  let norm = sqrt(squares[0]);
  clip[0] = norm;
  clip[1] = 1.0;
  if (params.max_norm > 0.0) {
    clip[1] = min(1.0, params.max_norm / (norm + 1e-6));
  }
  // By bits: a comparison may be compiled as if infinities and NaN did not exist.
  clip[2] = select(0.0, 1.0, (bitcast<u32>(squares[0]) & 0x7f800000u) == 0x7f800000u);
}

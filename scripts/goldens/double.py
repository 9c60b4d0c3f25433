"""Run a Qwen2.5-VL of `transformers` in double precision.

Moving the weights to float64 is not enough: RMSNorm and the vision rotary embedding cast their
input to float32 inside. `double_arithmetic` replaces these two for the time of a `with` block.
The cosine and sine tables stay as `transformers` makes them (float32 values), because they are
part of the model's definition and not of its rounding.
"""

import contextlib

import torch
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as qwen


def _norm(self, x):
    return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


def _rotate_vision(q, k, cos, sin):
    cos, sin = cos.unsqueeze(-2).to(q.dtype), sin.unsqueeze(-2).to(q.dtype)
    return q * cos + qwen.rotate_half(q) * sin, k * cos + qwen.rotate_half(k) * sin


@contextlib.contextmanager
def double_arithmetic():
    """Inside the block a model moved to float64 computes in float64 throughout."""
    saved = qwen.Qwen2_5_VLRMSNorm.forward, qwen.apply_rotary_pos_emb_vision
    qwen.Qwen2_5_VLRMSNorm.forward, qwen.apply_rotary_pos_emb_vision = _norm, _rotate_vision
    try:
        yield
    finally:
        qwen.Qwen2_5_VLRMSNorm.forward, qwen.apply_rotary_pos_emb_vision = saved

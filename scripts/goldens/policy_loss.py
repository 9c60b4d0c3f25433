"""GRPO advantages and losses with TRL's formulas, checked against TRL's own code."""

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import torch
from trl import GRPOTrainer

CLIP_LOW, CLIP_HIGH, KL_COEF, STD_EPS = 0.2, 0.3, 0.05, 1e-4
MAX_RESPONSE_LENGTH = 12  # the constant divisor of dr_grpo
LOSS_TYPES = ("grpo", "bnpo", "dr_grpo", "dapo")


@dataclass
class Batch:
    """Per-token values of all responses, padded to [responses, longest]; `mask` is 1 on real tokens."""

    logprobs: torch.Tensor
    entropy: torch.Tensor
    old: torch.Tensor
    ref: torch.Tensor
    mask: torch.Tensor
    advantages: torch.Tensor  # [responses]

    def rows(self, kept: slice) -> "Batch":
        return Batch(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))

    def masked(self, keep: torch.Tensor) -> "Batch":
        """Without the responses where `keep` is 0 (what mask_truncated_completions does)."""
        return Batch(*(getattr(self, n) for n in ("logprobs", "entropy", "old", "ref")),
                     self.mask * keep[:, None], self.advantages)  # fmt: skip


def group_advantages(rewards: torch.Tensor) -> torch.Tensor:
    """(r - mean) / (std + 1e-4) inside each group, sample standard deviation; [B, G] to [B * G]."""
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return (centred / (rewards.std(dim=1, keepdim=True) + STD_EPS)).flatten()


def policy_loss(batch: Batch, loss_type: str, dapo_tokens: torch.Tensor) -> torch.Tensor:
    """Clipped loss plus k3 KL. `dapo_tokens`: loss tokens of all data divided by the number of updates."""
    ratio = torch.exp(batch.logprobs - batch.old)
    advantage = batch.advantages[:, None]
    token_loss = -torch.min(ratio * advantage, ratio.clamp(1 - CLIP_LOW, 1 + CLIP_HIGH) * advantage)
    gap = batch.ref - batch.logprobs
    token_loss = (token_loss + KL_COEF * (torch.exp(gap) - gap - 1)) * batch.mask
    if loss_type == "grpo":
        return (token_loss.sum(1) / batch.mask.sum(1).clamp(min=1)).mean()
    if loss_type == "bnpo":
        return token_loss.sum() / batch.mask.sum().clamp(min=1)
    if loss_type == "dr_grpo":
        return token_loss.sum() / (len(token_loss) * MAX_RESPONSE_LENGTH)
    return token_loss.sum() / dapo_tokens.clamp(min=1)


def trl_loss(
    batch: Batch, loss_type: str, all_tokens: torch.Tensor, updates: int, args: dict | None = None, **settings
) -> tuple[torch.Tensor, dict]:
    """TRL's `_compute_loss` on the same numbers, and the metrics that it logs.

    `args` (fields of GRPOConfig) and `settings` (attributes of the trainer) take the place of those given here.
    """
    metrics: dict = {"train": defaultdict(list)}
    config = dict(use_bias_correction_kl=False, delta=None, steps_per_generation=updates) | (args or {})
    attributes = dict(
        _get_per_token_logps_and_entropies=lambda *_, **__: (batch.logprobs, batch.entropy, None),
        args=SimpleNamespace(**config),
        accelerator=SimpleNamespace(num_processes=1, reduce=lambda t, reduction: t, gather=lambda t: t,
                                    pad_across_processes=lambda t, **__: t),
        model=SimpleNamespace(training=True), _metrics=metrics, current_gradient_accumulation_steps=1,
        aux_loss_enabled=False, top_entropy_quantile=1.0, off_policy_mask_threshold=None, use_vllm=False,
        importance_sampling_level="token", loss_type=loss_type, beta=KL_COEF, epsilon_low=CLIP_LOW,
        epsilon_high=CLIP_HIGH, max_completion_length=MAX_RESPONSE_LENGTH, _entropy_bonus_enabled=False,
    ) | settings  # fmt: skip
    trainer = SimpleNamespace(**attributes)
    trainer.get_high_entropy_mask = partial(GRPOTrainer.get_high_entropy_mask, trainer)
    ids = torch.zeros_like(batch.mask)
    inputs = dict(
        prompt_ids=ids, prompt_mask=ids, completion_ids=ids, completion_mask=batch.mask, advantages=batch.advantages,
        old_per_token_logps=batch.old, ref_per_token_logps=batch.ref, num_items_in_batch=all_tokens,
    )  # fmt: skip
    loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    return loss, {name: values[-1] for name, values in metrics["train"].items()}


def losses(batch: Batch, updates: int = 1, all_tokens: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    """Every loss type on one update of `updates`; raises where TRL's own code gives another number."""
    total = batch.mask.sum() if all_tokens is None else all_tokens
    values = {}
    for kind in LOSS_TYPES:
        values[kind] = policy_loss(batch, kind, total / updates)
        theirs, _ = trl_loss(batch, kind, total, updates)
        if not torch.allclose(values[kind], theirs, rtol=1e-12, atol=1e-15):
            raise RuntimeError(f"{kind}: {values[kind].item()} here, {theirs.item()} in TRL")
    return values

"""Make the goldens of all policy losses: `python3 scripts/goldens/policy_losses.py [FOLDER]` (see README.md).

TRL's own `_compute_loss` in float64 on random log-probabilities, advantages and entropies, with its gradient by the
log-probabilities. TRL has no KL estimate but k3 (`low_var_kl`); for the others its loss without a KL term is taken and
verl's estimate added, averaged over tokens as TRL averages. Scaled advantages are TRL's as well.
"""

import sys
from pathlib import Path

import safetensors
import torch
import trl
from safetensors.torch import save_file
from torch.nn.utils.rnn import pad_sequence
from trl.trainer.utils import nanstd

from models import write_json
from policy_loss import Batch, trl_loss

DEFAULT_FOLDER = Path(__file__).parents[2] / "test" / "golden"
SEED = 70
LENGTHS = [14, 40, 7, 25, 1, 40, 19, 31]  # tokens of the responses, the longest being the limit
GROUP = 4
LIMIT = max(LENGTHS)
BATCH_TOKENS, UPDATES = 400, 2  # of the whole rollout batch, which cispo and dapo average over
KL_COEF = 0.3
# Where a ratio is this near to a bound, float32 could fall on the other side of it.
MIN_DISTANCE = 1e-5
# A loss that is smaller than this share of the sum of its absolute terms is mostly rounding.
MIN_SHARE = 0.05

SEQUENCE = dict(importance_sampling_level="sequence", clip_ratio_low=0.05, clip_ratio_high=0.06)
# Keys of `algorithm`; what is left out has the value of DEFAULTS.
DEFAULTS = dict(
    loss_type="grpo", importance_sampling_level="token", clip_ratio_low=0.2, clip_ratio_high=0.28,
    clip_ratio_dual=None, sapo_temperature_pos=1.0, sapo_temperature_neg=1.05, top_entropy_quantile=1.0,
    kl_penalty="k3", kl_coef=KL_COEF, mask_truncated_completions=False,
)  # fmt: skip
CASES = [
    *(dict(loss_type=kind) for kind in ("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo")),
    *(dict(loss_type=kind, mask_truncated_completions=True) for kind in ("grpo", "dapo", "cispo", "sapo")),
    dict(loss_type="cispo", clip_ratio_high=0.1),
    dict(loss_type="sapo", sapo_temperature_pos=2.0, sapo_temperature_neg=5.0),
    *(SEQUENCE | dict(loss_type=kind) for kind in ("grpo", "bnpo", "dr_grpo", "dapo")),
    dict(loss_type="sapo", importance_sampling_level="sequence"),
    *(dict(clip_ratio_dual=1.5, loss_type=kind) for kind in ("grpo", "dapo")),
    SEQUENCE | dict(clip_ratio_dual=1.08),
    *(dict(top_entropy_quantile=0.2, loss_type=kind) for kind in ("grpo", "dapo", "cispo", "sapo")),
    SEQUENCE | dict(top_entropy_quantile=0.35, mask_truncated_completions=True),
    *(dict(kl_penalty=kind) for kind in ("k1", "k2", "abs")),
    SEQUENCE | dict(kl_penalty="k2"),
    dict(loss_type="cispo", kl_penalty="k1"),
    dict(loss_type="sapo", kl_penalty="abs"),
    dict(kl_coef=0.0),
]


def pad(values: torch.Tensor) -> torch.Tensor:
    """[N] to [responses, LIMIT]."""
    return pad_sequence(list(values.split(LENGTHS)), batch_first=True)


def scaled(rewards: torch.Tensor, scale: str) -> torch.Tensor:
    """Advantages of [responses] rewards, NaN unknown: the arithmetic of `_generate_and_score_completions`."""
    grouped = rewards.view(-1, GROUP)
    centred = (grouped - grouped.nanmean(dim=1, keepdim=True)).flatten()
    if scale == "none":
        return centred.nan_to_num(0.0)
    std = nanstd(grouped, dim=1).repeat_interleave(GROUP) if scale == "group" else nanstd(rewards)
    return (centred / (std + 1e-4)).nan_to_num(0.0)


def estimate(kind: str, logprobs: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    """verl's `kl_penalty` by its names k1, k2, abs."""
    gap = logprobs - ref
    return dict(k1=gap, k2=0.5 * gap.square(), abs=gap.abs())[kind]


def average(token_loss: torch.Tensor, mask: torch.Tensor, kind: str) -> torch.Tensor:
    """As the end of TRL's `_compute_loss`, for the types that occur here with an estimate of verl's."""
    if kind == "cispo":
        return (token_loss * mask).sum() / (BATCH_TOKENS / UPDATES)
    return ((token_loss * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def loss_of(keys: dict, batch: Batch) -> torch.Tensor:
    own_kl = keys["kl_penalty"] != "k3"
    cap = keys["loss_type"] == "cispo"
    loss, _ = trl_loss(
        batch, keys["loss_type"], torch.tensor(BATCH_TOKENS), UPDATES,
        args=dict(delta=keys["clip_ratio_dual"], sapo_temperature_pos=keys["sapo_temperature_pos"],
                  sapo_temperature_neg=keys["sapo_temperature_neg"]),
        importance_sampling_level=keys["importance_sampling_level"], max_completion_length=LIMIT,
        top_entropy_quantile=keys["top_entropy_quantile"], beta=0.0 if own_kl else keys["kl_coef"],
        epsilon_low=keys["clip_ratio_low"],
        # In TRL the cap of cispo is epsilon_high itself, here 1 + clip_ratio_high.
        epsilon_high=keys["clip_ratio_high"] + (1 if cap else 0),
    )  # fmt: skip
    if own_kl:
        token_kl = estimate(keys["kl_penalty"], batch.logprobs, batch.ref)
        loss = loss + keys["kl_coef"] * average(token_kl, batch.mask, keys["loss_type"])
    return loss


def check_distance(keys: dict, batch: Batch) -> None:
    """Fails where rounding to float32 could put a ratio on the other side of a bound."""
    log_ratio = (batch.logprobs - batch.old) * batch.mask
    if keys["importance_sampling_level"] == "sequence":
        log_ratio = log_ratio.sum(1) / batch.mask.sum(1).clamp(min=1)
    bounds = [1 - keys["clip_ratio_low"], 1 + keys["clip_ratio_high"], keys["clip_ratio_dual"] or 1e9]
    distance = min((log_ratio.exp() - bound).abs().min().item() for bound in bounds)
    if distance < MIN_DISTANCE:
        raise RuntimeError(f"a ratio is {distance} from a bound with {keys}; choose another seed")


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(SEED)
    count = sum(LENGTHS)

    def normal(size: int, scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(size, generator=generator)

    # All of them are float32 numbers, so that both sides compute with the same.
    old = -normal(count).abs() * 2 - 0.05
    shift = normal(len(LENGTHS), 0.1).repeat_interleave(torch.tensor(LENGTHS))  # so that sequences differ, too
    given = dict(
        old=old, logprobs=old + shift + normal(count, 0.3), ref=old + normal(count, 0.4),
        entropies=normal(count).abs(), advantages=normal(len(LENGTHS)),
    )  # fmt: skip
    # The entropy at the threshold itself, at which a token counts, occurs several times.
    given["entropies"] = (given["entropies"] * 10).round() / 10
    mask = pad(torch.ones(count, dtype=torch.float64))
    whole = torch.tensor([float(length < LIMIT) for length in LENGTHS], dtype=torch.float64)
    tensors = dict(given)
    results = []
    for number, changed in enumerate(CASES):
        keys = DEFAULTS | changed
        logprobs = given["logprobs"].double().requires_grad_()
        batch = Batch(
            pad(logprobs), pad(given["entropies"].double()), pad(given["old"].double()), pad(given["ref"].double()),
            mask * whole[:, None] if keys["mask_truncated_completions"] else mask, given["advantages"].double(),
        )  # fmt: skip
        check_distance(keys, batch)
        loss = loss_of(keys, batch)
        (gradient,) = torch.autograd.grad(loss, logprobs)
        if loss.abs() < MIN_SHARE * gradient.abs().sum():
            raise RuntimeError(f"the loss {loss.item()} of {keys} nearly cancels; choose another seed")
        tensors[f"gradient.{number}"] = gradient.float()
        results.append(dict(keys=changed, loss=loss.item()))
    rewards = normal(len(LENGTHS))
    rewards[2] = rewards[4] = float("nan")
    scales = ("group", "batch", "none")
    tensors |= {f"advantages.{scale}": scaled(rewards.double(), scale).float() for scale in scales}
    save_file({name: value.contiguous() for name, value in tensors.items()}, out / "policy_losses.safetensors")
    (out / "policy_losses.safetensors").chmod(0o644)
    report = dict(
        versions={m.__name__: m.__version__ for m in (torch, trl, safetensors)}, lengths=LENGTHS, group=GROUP,
        max_response_length=LIMIT, batch_tokens=BATCH_TOKENS, updates=UPDATES, defaults=DEFAULTS, cases=results,
        rewards=[None if reward != reward else reward for reward in rewards.tolist()],
    )  # fmt: skip
    write_json(out / "policy_losses.json", report)


if __name__ == "__main__":
    main()

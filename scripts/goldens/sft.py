"""Supervised fine-tuning reference: ten AdamW steps, loss on the response tokens of one batch."""

from pathlib import Path

import torch

from cases import GRIDS, Case, make_case, text
from double import double_arithmetic
from forward import logprobs
from models import SPECIAL, load

OPTIMIZER = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
STEPS = 10
SEED = 41
PROMPTS: list[list] = [[4, "8x8", 3], [6], ["4x6", 2, "6x10", 4]]
RESPONSE_LENGTHS = [7, 3, 11]


def losses(model, rows: list[tuple[Case, list[int]]]) -> tuple[list[float], float]:
    """Loss before each of the ten updates, and the norm of the first gradient."""
    optimizer = torch.optim.AdamW(model.parameters(), **OPTIMIZER)
    seen: list[float] = []
    first_norm = 0.0
    for _ in range(STEPS):
        kept = [logprobs(model, case.extended(response))[0][len(case.input_ids) - 1 :] for case, response in rows]
        loss = -torch.cat(kept).mean()
        optimizer.zero_grad()
        loss.backward()
        if not seen:
            first_norm = torch.nn.utils.get_total_norm([w.grad for w in model.parameters()]).item()
        optimizer.step()
        seen.append(loss.item())
    return seen, first_norm


def sft_reference(folder: Path, name: str, pixels: dict[str, torch.Tensor]) -> dict:
    """Full fine-tuning of the named model; gradients are not clipped."""
    generator = torch.Generator().manual_seed(SEED)
    cases = [make_case(f"sft_{i}", parts, pixels, generator) for i, parts in enumerate(PROMPTS)]
    responses = [[*text(length - 1, generator), SPECIAL["eos_token_id"]] for length in RESPONSE_LENGTHS]
    rows = list(zip(cases, responses))
    with double_arithmetic():
        exact, first_norm = losses(load(folder / name).double(), rows)
    plain, _ = losses(load(folder / name), rows)
    return dict(
        model=name, optimizer=OPTIMIZER, loss="mean over all response tokens of the batch", loss_before_step=exact,
        first_grad_norm=first_norm, float32_deviation=max(abs(a - b) / a for a, b in zip(exact, plain)),
        rows=[dict(input_ids=case.input_ids.tolist(), images=case.images, response=response,
                   image_grid_thw=[GRIDS[image] for image in case.images]) for case, response in rows],
    )  # fmt: skip

"""Forward references: positions, image features, hidden states, log-probabilities, greedy tokens."""

import torch

from cases import Case
from double import double_arithmetic
from models import TEXT_TOKENS

GREEDY_TOKENS = 64
# A greedy choice nearer than this to the runner-up could flip on the last bits of float32.
MIN_GREEDY_MARGIN = 1e-3


def positions(model, case: Case) -> torch.Tensor:
    """M-RoPE positions [3, L] (rows: time, height, width)."""
    if case.grid is None:
        return torch.arange(len(case.input_ids)).expand(3, -1).clone()
    kinds = (case.input_ids == model.config.image_token_id).int()
    return model.model.get_rope_index(case.input_ids[None], kinds[None], case.grid)[0][:, 0]


def logits(model, case: Case) -> torch.Tensor:
    """Logits [L, V] of one unpadded sequence."""
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    dtype = next(core.parameters()).dtype
    return model(
        input_ids=case.input_ids[None],
        pixel_values=None if case.pixel_values is None else case.pixel_values.to(dtype),
        image_grid_thw=case.grid,
        position_ids=positions(core, case)[:, None],
        use_cache=False,
    ).logits[0]


def logprobs(model, case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each given next token and entropy in nats, both [L-1]."""
    table = torch.log_softmax(logits(model, case)[:-1], dim=-1)
    return table.gather(1, case.input_ids[1:, None])[:, 0], -(table.exp() * table).sum(-1)


@torch.no_grad()
def forward(model, case: Case) -> dict[str, torch.Tensor]:
    """Everything that the forward pass of one case is compared by."""
    kept: dict[str, torch.Tensor] = {}

    def keep(name):
        def hook(_module, _inputs, output):
            value = output.pooler_output if hasattr(output, "pooler_output") else output
            kept[name] = value[0] if value.dim() == 3 else value

        return hook

    text = model.model.language_model
    hooks = [layer.register_forward_hook(keep(f"hidden_layer_{i}")) for i, layer in enumerate(text.layers)]
    hooks.append(text.norm.register_forward_hook(keep("hidden_final")))
    hooks.append(model.model.visual.register_forward_hook(keep("image_features")))
    kept["logprobs"], kept["entropy"] = logprobs(model, case)
    for hook in hooks:
        hook.remove()
    return kept


@torch.no_grad()
def greedy(model, case: Case) -> list[int]:
    """Greedy continuation by `generate` with its cache; the end token does not stop it."""
    kinds = (case.input_ids == model.config.image_token_id).int()
    images = {} if case.grid is None else dict(pixel_values=case.pixel_values, image_grid_thw=case.grid)
    out = model.generate(
        input_ids=case.input_ids[None], attention_mask=torch.ones_like(case.input_ids[None]),
        mm_token_type_ids=kinds[None], max_new_tokens=GREEDY_TOKENS, do_sample=False, eos_token_id=None, **images,
    )  # fmt: skip
    return out[0, len(case.input_ids) :].tolist()


@torch.no_grad()
def greedy_margin(model, case: Case, tokens: list[int]) -> float:
    """Smallest lead of the chosen token, from one pass over prompt and continuation without a cache."""
    steps = logits(model, case.extended(tokens))[len(case.input_ids) - 1 : -1]
    top = steps.topk(2, dim=-1)
    if top.indices[:, 0].tolist() != tokens:
        raise RuntimeError(f"{case.name}: generate() disagrees with the pass in double precision")
    return (top.values[:, 0] - top.values[:, 1]).min().item()


def forward_references(model32, model64, cases: list[Case]) -> tuple[dict[str, torch.Tensor], dict]:
    """References in double precision (stored as float32) and a report of greedy tokens and deviations."""
    tensors: dict[str, torch.Tensor] = {}
    report: dict = dict(greedy={}, greedy_smallest_margin={}, float32_largest_deviation={})
    for case in cases:
        with double_arithmetic():
            exact = forward(model64, case)
        plain = forward(model32, case)
        for name, value in exact.items():
            tensors[f"{case.name}.{name}"] = value.float().contiguous()
            seen = (plain[name] - value).abs().max().item()
            report["float32_largest_deviation"][name] = max(
                seen, report["float32_largest_deviation"].get(name, 0.0)
            )
        tokens = greedy(model32, case)
        with double_arithmetic():
            margin = greedy_margin(model64, case, tokens)
        special = max(tokens) >= TEXT_TOKENS
        if margin < MIN_GREEDY_MARGIN or special:
            raise RuntimeError(f"{case.name}: greedy margin {margin:.2e}, tokens {tokens}: choose another seed")
        report["greedy"][case.name] = tokens
        report["greedy_smallest_margin"][case.name] = margin
    return tensors, report

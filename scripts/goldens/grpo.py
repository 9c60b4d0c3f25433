"""One replayed GRPO step: responses and rewards given, gradients and updated weights expected."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch.nn.utils.rnn import pad_sequence

import policy_loss
from cases import GRIDS, Case, make_case, text
from double import double_arithmetic
from forward import logprobs
from models import SPECIAL, load, write_json
from policy_loss import Batch

# Adam's first step is lr * g / (|g| + eps). With a tiny eps it is the sign of g, which says nothing
# about the size of g and flips with the last bits of those gradients that are nearly zero (a few of
# 200,000). With an eps near the size of g the step follows g, so that it shows an error in the
# clipping or in the scale of the loss, and a float32 implementation can meet it.
FULL = dict(lr=3e-3, betas=(0.9, 0.999), eps=1e-3, weight_decay=0.1)
LORA = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
MAX_GRAD_NORM = 1.0
# Where a ratio is this near to a clip bound, float32 could fall on the other side of it.
MIN_CLIP_DISTANCE = 1e-3
# A tenth of what an implementation is allowed: where PyTorch's own float32 is farther off, some
# gradient is nearly zero and the reference is ill-conditioned; choose another seed.
MAX_FLOAT32_DEVIATION = 1e-6
LORA_NAMES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
VISION_NAMES = ["attn.qkv", "attn.proj", "merger.mlp.0", "merger.mlp.2"]


@dataclass(frozen=True)
class Scenario:
    name: str
    model: str
    prompts: list[list]  # as in cases.PROMPTS
    lengths: list[list[int]]  # of the responses, [B][G]
    rewards: list[list[float]]
    seed: int
    optimizer: dict
    adapter: str | None = None
    steps: int = 1
    gradients_only: bool = False  # no weights after the update
    on_policy: bool = False  # old log-probabilities are the policy's own, the reference is its start
    cases: list[Case] = field(default_factory=list)
    responses: list[list[int]] = field(default_factory=list)


SCENARIOS = [
    Scenario("tied_full", "tied_4to1", [[3, "4x6", 4], [7]], [[5, 12, 8], [3, 9, 12]],
             [[1.0, 0.3, 0.0], [0.7, 0.7, 1.0]], seed=31, optimizer=FULL),
    Scenario("tied_on_policy", "tied_4to1", [[6], ["6x10", 5]], [[4, 7, 12], [10, 2, 6]],
             [[0.0, 1.0, 0.3], [0.3, 0.0, 1.0]], seed=32, optimizer=FULL | dict(lr=5e-4), steps=2, on_policy=True),
    Scenario("untied_full", "untied_2to1", [["6x10", 5], [2, "4x6", 3, "8x8", 2]], [[12, 6, 4], [1, 7, 12]],
             [[0.0, 1.0, 0.3], [1.0, 0.0, 0.0]], seed=33, optimizer=FULL),
    Scenario("untied_lora", "untied_2to1", [[2, "8x8", 6], [9]], [[8, 12, 3], [12, 5, 2]],
             [[0.3, 1.0, 0.0], [1.0, 1.0, 0.7]], seed=63, optimizer=LORA, adapter="untied_2to1_lora"),
    Scenario("tied_text_full", "tied_4to1", [[9], [4]], [[5, 12], [7, 2]],
             [[1.0, 0.0], [0.3, 1.0]], seed=41, optimizer=FULL, gradients_only=True),
    Scenario("untied_text_lora", "untied_2to1", [[5], [11]], [[8, 3], [12, 6]],
             [[0.0, 1.0], [1.0, 0.7]], seed=42, optimizer=LORA, adapter="untied_2to1_lora", gradients_only=True),
    Scenario("tied_lora_vision", "tied_4to1", [[2, "8x8", 5], [6]], [[6, 12], [3, 9]],
             [[0.0, 1.0], [1.0, 0.3]], seed=43, optimizer=LORA, adapter="tied_4to1_rslora_vision", gradients_only=True),
    Scenario("bf16_lora_vision", "untied_2to1_bf16", [[2, "4x6", "8x8", 3], ["6x10", 4]], [[4, 9], [12, 7]],
             [[1.0, 0.0], [0.3, 1.0]], seed=44, optimizer=LORA, adapter="untied_2to1_bf16_lora_vision",
             gradients_only=True),
]  # fmt: skip


def prepare(scenario: Scenario, pixels: dict, generator: torch.Generator) -> Scenario:
    """With prompts and responses. A response shorter than the limit ends in the end token."""
    cases, responses = [], []
    for b, (parts, lengths) in enumerate(zip(scenario.prompts, scenario.lengths)):
        cases.append(make_case(f"{scenario.name}_{b}", parts, pixels, generator))
        for length in lengths:
            cut = length == policy_loss.MAX_RESPONSE_LENGTH
            ids = text(length if cut else length - 1, generator)
            responses.append(ids if cut else [*ids, SPECIAL["eos_token_id"]])
    return replace(scenario, cases=cases, responses=responses)


def save_adapter(base: Path, folder: Path, seed: int, vision: bool = False, use_rslora: bool = False) -> None:
    """A LoRA adapter in PEFT's format whose A and B are both random, on all linear layers, of vision too or not."""
    names = LORA_NAMES + VISION_NAMES if vision else LORA_NAMES
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules=names, exclude_modules=None if vision else ".*visual.*",
        use_rslora=use_rslora, task_type="CAUSAL_LM",
    )  # fmt: skip
    model = get_peft_model(load(base), config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if weight.requires_grad:
                weight.copy_(0.06 * torch.randn(weight.shape, generator=generator))
    config.base_model_name_or_path = base.name
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    # PEFT writes the names from a set, in an order that changes from run to run.
    saved = json.loads((folder / "adapter_config.json").read_text())
    write_json(folder / "adapter_config.json", saved | dict(target_modules=names))


def open_policy(scenario: Scenario, folder: Path, dtype: torch.dtype):
    """The model in training mode of gradients, and its trainable parameters under their file names."""
    model = load(folder / scenario.model)
    if scenario.adapter:
        model = PeftModel.from_pretrained(model, folder / scenario.adapter, is_trainable=True).eval()
    model = model.to(dtype)
    params = {n.replace(".default", ""): p for n, p in model.named_parameters() if p.requires_grad}
    return model, params


def response_values(scenario: Scenario, model) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Log-probabilities and entropies of the response tokens, one tensor a response."""
    group = len(scenario.responses) // len(scenario.cases)
    pairs = []
    for i, response in enumerate(scenario.responses):
        case = scenario.cases[i // group]
        both = logprobs(model, case.extended(response))
        pairs.append(tuple(value[len(case.input_ids) - 1 :] for value in both))
    return [lp for lp, _ in pairs], [entropy for _, entropy in pairs]


def pad(rows: list[torch.Tensor]) -> torch.Tensor:
    return pad_sequence(rows, batch_first=True)


def old_and_ref(scenario: Scenario, folder: Path, generator: torch.Generator) -> dict[str, list[torch.Tensor]]:
    """Old and reference log-probabilities as data, float32: perturbed, or the policy's own at the start."""
    model, _ = open_policy(scenario, folder, torch.float64)
    with torch.no_grad(), double_arithmetic():
        own, _ = response_values(scenario, model)
        if scenario.on_policy:
            return dict(old=[row.float() for row in own], ref=[row.float() for row in own])
        ref = [row + 0.2 * torch.randn(len(row), generator=generator) for row in own]
        if scenario.adapter:
            with model.disable_adapter():
                ref, _ = response_values(scenario, model)
    while True:
        old = [(row + 0.25 * torch.randn(len(row), generator=generator)).float() for row in own]
        ratio = torch.cat([torch.exp(row - o) for row, o in zip(own, old)])
        bounds = (1 - policy_loss.CLIP_LOW, 1 + policy_loss.CLIP_HIGH)
        if all((ratio - bound).abs().min() > MIN_CLIP_DISTANCE for bound in bounds):
            return dict(old=old, ref=[row.float() for row in ref])


def make_batch(scenario: Scenario, model, given: dict[str, list[torch.Tensor]]) -> Batch:
    own, entropy = response_values(scenario, model)
    old = [row.detach() for row in own] if scenario.on_policy else given["old"]
    rewards = torch.tensor(scenario.rewards, dtype=own[0].dtype)
    return Batch(
        pad(own), pad(entropy), pad(old).to(own[0].dtype), pad(given["ref"]).to(own[0].dtype),
        pad([torch.ones_like(row) for row in own]).detach(), policy_loss.group_advantages(rewards),
    )  # fmt: skip


def norm(grads) -> float:
    return torch.stack([g.norm() for g in grads]).norm().item()


def step(scenario: Scenario, model, params: dict, optimizer, given: dict) -> tuple[dict, dict, Batch]:
    """One update with the `grpo` loss. Returns the report, the gradients before clipping, the batch."""
    batch = make_batch(scenario, model, given)
    values = policy_loss.losses(batch)
    weights = list(params.values())
    # The vision tower has no part in prompts without images.
    options = dict(retain_graph=True, allow_unused=True, materialize_grads=True)
    grads = {kind: torch.autograd.grad(loss, weights, **options) for kind, loss in values.items()}
    keep = torch.tensor([float(r[-1] == SPECIAL["eos_token_id"]) for r in scenario.responses]).to(batch.mask)
    group, total = len(scenario.responses) // len(scenario.cases), batch.mask.sum()
    alone = [
        policy_loss.losses(batch.rows(slice(b * group, (b + 1) * group)), len(scenario.cases), total)
        for b in range(len(scenario.cases))
    ]
    report = dict(
        loss={kind: loss.item() for kind, loss in values.items()},
        grad_norm={kind: norm(parts) for kind, parts in grads.items()},
        loss_without_truncated={k: v.item() for k, v in policy_loss.losses(batch.masked(keep)).items()},
        loss_one_update_per_prompt={k: [part[k].item() for part in alone] for k in policy_loss.LOSS_TYPES},
        metrics=policy_loss.trl_loss(batch, "grpo", total, 1)[1],
    )
    for weight, grad in zip(weights, grads["grpo"]):
        weight.grad = grad.clone()
    torch.nn.utils.clip_grad_norm_(weights, MAX_GRAD_NORM)
    optimizer.step()
    return report, dict(zip(params, grads["grpo"])), batch


def run(scenario: Scenario, folder: Path, given: dict, dtype: torch.dtype) -> tuple[list, dict, dict, Batch]:
    model, params = open_policy(scenario, folder, dtype)
    optimizer = torch.optim.AdamW(params.values(), **scenario.optimizer)
    done = [step(scenario, model, params, optimizer, given) for _ in range(scenario.steps)]
    after = {name: weight.detach() for name, weight in params.items()}
    return [report for report, _, _ in done], done[0][1], after, done[0][2]


def deviations(exact: tuple, plain: tuple) -> dict:
    """How far plain float32 of PyTorch is from the stored references."""
    grads, after = exact[1], exact[2]
    relative = {n: ((plain[1][n] - g).norm() / g.norm()).item() for n, g in grads.items() if g.norm() > 0}
    moved = torch.cat([(plain[2][n] - w).abs().flatten() for n, w in after.items()])
    worst = max(relative, key=relative.__getitem__)
    return dict(grad_relative=relative[worst], grad_worst=worst, weight_absolute=moved.max().item())


def grpo_references(scenario: Scenario, folder: Path, pixels: dict) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and report of a scenario; see README.md in the output folder for the names."""
    generator = torch.Generator().manual_seed(scenario.seed)
    scenario = prepare(scenario, pixels, generator)
    given = old_and_ref(scenario, folder, generator)
    with double_arithmetic():
        exact = run(scenario, folder, given, torch.float64)
    plain = run(scenario, folder, given, torch.float32)
    distance = deviations(exact, plain)
    if not scenario.gradients_only and not distance["weight_absolute"] <= MAX_FLOAT32_DEVIATION:
        raise RuntimeError(f"{scenario.name}: ill-conditioned reference: {distance}")
    reports, grads, after, batch = exact
    real = batch.mask.bool()
    tensors = dict(logprobs=batch.logprobs[real], entropy=batch.entropy[real])
    tensors |= dict(old_logprobs=batch.old[real], ref_logprobs=batch.ref[real], advantages=batch.advantages)
    if not scenario.on_policy:
        tensors |= {f"grad.{name}": grad for name, grad in grads.items() if grad.any()}
    if not scenario.gradients_only:
        tensors |= {f"after.{name}": weight for name, weight in after.items()}
    group = len(scenario.responses) // len(scenario.cases)
    info = dict(
        model=scenario.model, adapter=scenario.adapter, on_policy=scenario.on_policy, temperature=1.0,
        optimizer=scenario.optimizer, max_grad_norm=MAX_GRAD_NORM, loss_type="grpo", kl_coef=policy_loss.KL_COEF,
        clip_ratio_low=policy_loss.CLIP_LOW, clip_ratio_high=policy_loss.CLIP_HIGH,
        max_response_length=policy_loss.MAX_RESPONSE_LENGTH,
        prompts=[dict(input_ids=case.input_ids.tolist(), images=case.images,
                      image_grid_thw=[GRIDS[image] for image in case.images],
                      responses=scenario.responses[b * group : (b + 1) * group], rewards=scenario.rewards[b])
                 for b, case in enumerate(scenario.cases)],
        steps=reports, float32_deviation=distance,
    )  # fmt: skip
    return {name: value.detach().float().contiguous() for name, value in tensors.items()}, info

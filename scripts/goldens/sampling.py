"""Make the sampling goldens: `python3 scripts/goldens/sampling.py` (see README.md).

The logits processors are those that `generate` itself puts together for the options of each case, in its order.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import torch
import transformers
from transformers import GenerationConfig, GenerationMixin

OUT = Path(__file__).parents[2] / "test" / "golden" / "sampling.json"
PROMPT = [3, 1, 4, 1, 0, 9, 2, 6, 5, 35, 8, 97, 200]
RESPONSE = [7, 11, 3]
END = [2, 7]
BANNED = [0, 17, 130]
# A share or ratio closer to its bound than this would depend on rounding.
MARGIN = 1e-5

# Sizes of the vocabulary, spread of the logits, options.
CASES: list[tuple[int, float, dict]] = [
    (5, 1.0, dict(top_k=2)),
    (5, 1.0, dict(top_k=9)),
    (5, 0.0, dict(top_k=2)),
    (131, 2.0, dict(top_k=1)),
    (131, 0.1, dict(top_k=40)),
    (300, 2.0, dict(top_k=50, temperature=0.7)),
    (131, 2.0, dict(top_p=0.9)),
    (300, 2.0, dict(top_p=0.5, temperature=1.5)),
    (300, 2.0, dict(top_p=1e-6)),
    (300, 0.5, dict(top_p=0.999)),
    (131, 2.0, dict(min_p=0.1)),
    (300, 2.0, dict(min_p=0.02, temperature=2.0)),
    (131, 2.0, dict(min_p=1.0)),
    (131, 2.0, dict(repetition_penalty=1.3)),
    (300, 2.0, dict(repetition_penalty=0.8, top_k=20)),
    (131, 2.0, dict(min_new_tokens=4, top_k=60)),
    (131, 2.0, dict(min_new_tokens=3, top_k=60)),
    (300, 2.0, dict(top_k=100, top_p=0.8)),
    (300, 2.0, dict(top_k=30, top_p=0.95, min_p=0.05)),
    (300, 2.0, dict(repetition_penalty=1.2, min_new_tokens=9, temperature=0.6, top_k=200, top_p=0.97, min_p=0.01)),
]


def processed(logits: torch.Tensor, options: dict) -> torch.Tensor:
    """What `generate` samples from: processed logits, -inf where it never samples."""
    config = GenerationConfig(do_sample=True, suppress_tokens=BANNED, **{"top_k": 0, **options})
    config._eos_token_tensor = torch.tensor(END)
    stand_in = SimpleNamespace(
        config=SimpleNamespace(is_encoder_decoder=False),
        _merge_criteria_processor_list=lambda default, own: default,
    )
    processors = GenerationMixin._get_logits_processor(stand_in, config, input_ids_seq_length=len(PROMPT))
    return processors(torch.tensor([PROMPT + RESPONSE]), logits[None])[0]


def is_clear(logits: torch.Tensor, options: dict, kept: torch.Tensor) -> bool:
    """Whether rounding and the order of equal logits cannot change what top-p and min-p keep."""
    before = processed(logits, {k: v for k, v in options.items() if k not in ("top_p", "min_p")})
    if torch.isin(before[~kept], before[kept]).logical_and(before[~kept].isfinite()).any():
        return False
    ranked = before.softmax(-1).sort(descending=True).values
    shares = (ranked.cumsum(-1) - options.get("top_p", 2)).abs().min()
    ratios = (ranked / ranked[0] - options.get("min_p", 2))[1:].abs().min()
    return shares > MARGIN and ratios > MARGIN


def main() -> None:
    cases = []
    for size, spread, options in CASES:
        for seed in range(100):
            generator = torch.Generator().manual_seed(seed)
            # Multiples of 1/64: exact in every format, and with ties.
            steps = (torch.randn(size, generator=generator) * spread * 64).round()
            logits = steps.double() / 64
            scores = processed(logits, options)
            kept = scores.isfinite()
            if is_clear(logits, options, kept):
                break
        else:
            raise ValueError(f"no clear case for {options}")
        ids = kept.nonzero().flatten()
        logprobs = [round(value, 7) for value in scores.log_softmax(-1)[ids].tolist()]
        cases.append(dict(options=options, steps=steps.int().tolist(), kept=ids.tolist(), logprobs=logprobs))
    common = dict(versions={m.__name__: m.__version__ for m in (torch, transformers)})
    common |= dict(prompt=PROMPT, response=RESPONSE, end=END, banned=BANNED)
    lines = ",\n".join(f"    {json.dumps(case)}" for case in cases)
    head = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in common.items())
    OUT.write_text(f'{{\n{head},\n  "cases": [\n{lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()

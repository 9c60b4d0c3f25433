"""Make the model goldens: `python3 scripts/goldens/make_models.py [FOLDER]` (see README.md)."""

import sys
from pathlib import Path

import peft
import safetensors
import torch
import transformers
import trl
from safetensors.torch import save_file

import grpo
import sft
from cases import GRIDS, Case, make_cases, make_pixels
from forward import forward_references, positions
from models import load, make_models, write_json

MODELS = ["tied_4to1", "untied_2to1", "untied_2to1_bf16"]
DEFAULT_FOLDER = Path(__file__).parents[2] / "test" / "golden" / "models"


def save_inputs(out: Path, model, cases: list[Case], pixels: dict[str, torch.Tensor]) -> None:
    """Prompts, positions and image patches, the same for all models."""
    tensors = {f"pixels.{name}": values.half() for name, values in pixels.items()}
    for case in cases:
        tensors[f"{case.name}.input_ids"] = case.input_ids.int()
        tensors[f"{case.name}.position_ids"] = positions(model, case).int().contiguous()
    save_file(tensors, out / "inputs.safetensors")
    images = {name: dict(grid_thw=grid) for name, grid in GRIDS.items()}
    write_json(out / "inputs.json", dict(images=images, cases={case.name: case.images for case in cases}))


def save_reference(out: Path, name: str, tensors: dict[str, torch.Tensor], report: dict) -> None:
    """Tensors beside a report that names their shapes and the versions that made them."""
    versions = {m.__name__: m.__version__ for m in (torch, transformers, trl, peft, safetensors)}
    shapes = {key: list(value.shape) for key, value in sorted(tensors.items())}
    if tensors:
        save_file(tensors, out / "reference" / f"{name}.safetensors")
    write_json(out / "reference" / f"{name}.json", dict(versions=versions, **report, shapes=shapes))
    print(name, {key: value for key, value in report.items() if "deviation" in key or "margin" in key})


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    (out / "reference").mkdir(parents=True, exist_ok=True)
    make_models(out)
    grpo.save_adapter(out / "untied_2to1", out / "untied_2to1_lora", seed=35)
    grpo.save_adapter(out / "tied_4to1", out / "tied_4to1_rslora_vision", seed=36, vision=True, use_rslora=True)
    grpo.save_adapter(out / "untied_2to1_bf16", out / "untied_2to1_bf16_lora_vision", seed=37, vision=True)
    pixels = make_pixels()
    cases = make_cases(pixels)
    save_inputs(out, load(out / MODELS[0]), cases, pixels)
    for name in MODELS:
        model32, model64 = load(out / name), load(out / name).double()
        save_reference(out, f"forward_{name}", *forward_references(model32, model64, cases))
    for scenario in grpo.SCENARIOS:
        save_reference(out, f"grpo_{scenario.name}", *grpo.grpo_references(scenario, out, pixels))
    save_reference(out, "sft_tied", {}, sft.sft_reference(out, "tied_4to1", pixels))
    for file in out.rglob("*.safetensors"):
        file.chmod(0o644)


if __name__ == "__main__":
    main()

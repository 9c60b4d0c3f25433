"""Compare an exported Hugging Face folder with `transformers`.

    python3 scripts/goldens/check_export.py MODEL_FOLDER ROWS.jsonl [--adapter FOLDER] [--tolerance 1e-4]
    python3 scripts/goldens/check_export.py MODEL_FOLDER --weights REFERENCE.safetensors [--tolerance 1e-5]

Each row holds `prompt_token_ids`, `token_ids` (the response) and `logprobs` (one for each response
token). A row with images names in `pixels` a safetensors file, relative to the JSONL, with
`pixel_values` [P, 1176] and `image_grid_thw` [images, 3]. With `--weights` every tensor
`after.<name>` of a GRPO reference is compared with the folder's weights. With `--adapter` PEFT puts
an adapter on the model. Exit status 0 when all
values are within the tolerance, 1 when not, 2 when the input cannot be used.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file

from cases import Case
from forward import logprobs
from models import load


def read_row(line: str, where: str, folder: Path) -> tuple[Case, list[int], torch.Tensor]:
    row = json.loads(line)
    missing = [key for key in ("prompt_token_ids", "token_ids", "logprobs") if key not in row]
    if missing:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    if not row["token_ids"] or len(row["token_ids"]) != len(row["logprobs"]):
        raise ValueError(f"{where}: {len(row['token_ids'])} token_ids, {len(row['logprobs'])} logprobs")
    images = load_file(folder / row["pixels"]) if row.get("pixels") else {}
    grid = images.get("image_grid_thw")
    case = Case(
        where, [], torch.tensor(row["prompt_token_ids"]), images.get("pixel_values"),
        None if grid is None else grid.long(),
    )  # fmt: skip
    return case, row["token_ids"], torch.tensor(row["logprobs"], dtype=torch.float64)


@torch.no_grad()
def compare_rows(model, file: Path) -> float:
    """Largest absolute difference of a log-probability over all rows, printed row by row."""
    worst = 0.0
    lines = [line for line in file.read_text().split("\n") if line.strip()]
    if not lines:
        raise ValueError(f"{file}: no rows")
    for number, line in enumerate(lines, start=1):
        case, response, given = read_row(line, f"{file.name}:{number}", file.parent)
        expected = logprobs(model, case.extended(response))[0][len(case.input_ids) - 1 :]
        distance = (expected.double() - given).abs().nan_to_num(nan=float("inf")).max().item()
        print(f"{case.name}: {len(response)} tokens, largest difference {distance:.2e}")
        worst = max(worst, distance)
    return worst


def compare_weights(model, file: Path) -> float:
    """Largest absolute difference between the folder's weights and the tensors `after.<name>`."""
    expected = {k.removeprefix("after."): v for k, v in load_file(file).items() if k.startswith("after.")}
    weights = dict(model.named_parameters())
    if not expected or set(expected) != set(weights):
        raise ValueError(f"{file}: tensor names differ from the model's: {sorted(set(expected) ^ set(weights))}")
    worst = 0.0
    for name, value in expected.items():
        distance = (weights[name].detach() - value).abs().nan_to_num(nan=float("inf")).max().item()
        if distance > worst:
            print(f"{name}: largest difference {distance:.2e}")
            worst = distance
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare an exported model folder with transformers.")
    parser.add_argument("model", type=Path)
    parser.add_argument("rows", type=Path, nargs="?")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--tolerance", type=float)
    args = parser.parse_args()
    if (args.rows is None) == (args.weights is None):
        parser.error("give either ROWS.jsonl or --weights REFERENCE.safetensors")
    torch.set_num_threads(1)
    tolerance = args.tolerance if args.tolerance is not None else (1e-4 if args.rows else 1e-5)
    try:
        model = load(args.model)
        if args.adapter:
            model = PeftModel.from_pretrained(model, args.adapter).eval()
        worst = compare_rows(model, args.rows) if args.rows else compare_weights(model, args.weights)
    except (OSError, ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    passed = worst <= tolerance
    print(f"{'within' if passed else 'OUTSIDE'} tolerance: {worst:.2e} of {tolerance:.0e}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

"""Prompts shared by all models: token ids and image patches, without padding."""

from dataclasses import dataclass

import torch

from models import SPECIAL, TEXT_TOKENS

# Patches (t, h, w) of each image. With windows of 2x2 or 4x4 merged patches, some windows are cut off.
GRIDS = {"4x6": (1, 4, 6), "8x8": (1, 8, 8), "6x10": (1, 6, 10)}
MERGE = 2

# A prompt is a list of text lengths and image names.
PROMPTS = {
    "text": [24],
    "one_image": [4, "8x8", 13],
    "three_images": [3, "4x6", 5, "8x8", "6x10", 9],
    "short": [2],
    "image_first": ["4x6", 6],
}


@dataclass
class Case:
    name: str
    images: list[str]
    input_ids: torch.Tensor  # [L] int64
    pixel_values: torch.Tensor | None  # [P, 1176] float32
    grid: torch.Tensor | None  # [images, 3] int64

    def extended(self, response: list[int]) -> "Case":
        """The same prompt followed by a response."""
        ids = torch.cat([self.input_ids, torch.tensor(response)])
        return Case(self.name, self.images, ids, self.pixel_values, self.grid)


def make_pixels() -> dict[str, torch.Tensor]:
    """Normal noise, rounded to float16 so that it can be stored in half the space without loss."""
    generator = torch.Generator().manual_seed(21)
    return {
        name: torch.randn(t * h * w, 1176, generator=generator).half().float() for name, (t, h, w) in GRIDS.items()
    }


def text(length: int, generator: torch.Generator) -> list[int]:
    return torch.randint(0, TEXT_TOKENS, (length,), generator=generator).tolist()


def make_case(name: str, parts: list, pixels: dict[str, torch.Tensor], generator: torch.Generator) -> Case:
    ids: list[int] = []
    for part in parts:
        if isinstance(part, int):
            ids += text(part, generator)
            continue
        t, h, w = GRIDS[part]
        pads = [SPECIAL["image_token_id"]] * (t * h * w // MERGE**2)
        ids += [SPECIAL["vision_start_token_id"], *pads, SPECIAL["vision_end_token_id"]]
    images = [part for part in parts if isinstance(part, str)]
    return Case(
        name,
        images,
        torch.tensor(ids),
        torch.cat([pixels[image] for image in images]) if images else None,
        torch.tensor([GRIDS[image] for image in images]) if images else None,
    )


def make_cases(pixels: dict[str, torch.Tensor]) -> list[Case]:
    generator = torch.Generator().manual_seed(22)
    return [make_case(name, parts, pixels, generator) for name, parts in PROMPTS.items()]

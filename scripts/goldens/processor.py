"""Writes the reference data of the processor room into test/golden/processor/.

    python3 scripts/goldens/processor.py --model QWEN2_5_VL_FOLDER

The folder needs the tokenizer, chat template and preprocessor files only. Versions used: transformers 5.23,
Pillow 13, torch 2.13. The pictures are drawn from a fixed seed; the processor is the PIL-backed class, the
one that needs no torchvision.
"""

import argparse
import base64
import hashlib
import json
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoTokenizer, Qwen2_5_VLConfig
from transformers.image_utils import load_image
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize

warnings.filterwarnings("ignore", category=FutureWarning)
OUT = Path(__file__).resolve().parents[2] / "test" / "golden" / "processor"
SAMPLES = 256
# The bounds most pictures are processed with: small, so that downscaling happens without large files.
SMALL = {"min_pixels": 56 * 56, "max_pixels": 112 * 28 * 28}
PUBLISHED = {"min_pixels": 56 * 56, "max_pixels": 16384 * 28 * 28}

WETHINK = (
    "You FIRST think about the reasoning process as an internal monologue and then provide the final answer.\n"
    "The reasoning process MUST BE enclosed within <think> </think> tags. "
    "The final answer MUST BE enclosed within <answer> </answer> tags."
)


def drawing(rng, height, width, channels=3):
    """A slope, diagonal stripes and a few rectangles: edges for the filter, yet small as a PNG."""
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    step = max(1, height * width // 60_000)
    for c in range(channels):
        plane = (x // step * 2 + y // step * (c + 3)) % 256
        plane = np.where((x // 3 + y // (2 + c)) % (6 + step) == 0, 255 - plane, plane)
        planes.append(plane)
    image = np.stack(planes, -1).astype(np.uint8)
    for _ in range(5):
        y0, x0 = rng.integers(0, height), rng.integers(0, width)
        image[y0 : y0 + max(1, height // 5), x0 : x0 + max(1, width // 5)] = rng.integers(0, 256, channels)
    return image


def noise(rng, height, width, channels=3):
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def png_chunk(kind, payload):
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def write_png(path, array, color_type, extra=b""):
    """A 16-bit PNG of the modes that Pillow cannot write (colour type 2 RGB, 4 grey+alpha, 6 RGBA)."""
    height, width, _ = array.shape
    rows = b"".join(b"\0" + array[y].astype(">u2").tobytes() for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + extra
        + png_chunk(b"IDAT", zlib.compress(rows, 9))
        + png_chunk(b"IEND", b"")
    )


def write_pictures(folder):
    """Draws the pictures; returns [(file name, bounds, lossless)]."""
    rng = np.random.default_rng(20250607)
    made = []

    def save(name, image, bounds=SMALL, lossless=None, **options):
        image.save(folder / name, **options)
        made.append((name, bounds, name.endswith((".png", ".gif")) if lossless is None else lossless))

    rgb = lambda h, w: Image.fromarray(drawing(rng, h, w))
    save("plain-100x60.png", rgb(60, 100))
    save("tiny-1x1.png", Image.fromarray(noise(rng, 1, 1)))
    save("tiny-2x3.png", Image.fromarray(noise(rng, 3, 2)))
    save("exact-56x28.png", Image.fromarray(noise(rng, 28, 56)), {"min_pixels": 784, "max_pixels": 784 * 16})
    save("half-even-70x70.png", Image.fromarray(noise(rng, 70, 70)))
    save("half-even-98x42.png", Image.fromarray(noise(rng, 42, 98)))
    save("noise-131x77.png", Image.fromarray(noise(rng, 77, 131)))
    save("ratio-1x200.png", rgb(200, 1))
    save("ratio-1x201.png", rgb(201, 1))
    save("ratio-1x1000.png", rgb(1000, 1))
    save("ratio-1000x1.png", rgb(1, 1000))
    save("long-5000x40.png", rgb(40, 5000))
    save("long-5000x40-published.png", rgb(40, 5000), PUBLISHED)
    save("tall-30x900.png", rgb(900, 30))
    save("large-1400x1050.png", rgb(1050, 1400))
    save("large-1000x1000-published.png", Image.fromarray(drawing(rng, 1000, 1000)), PUBLISHED)
    save("grey-123x45.png", Image.fromarray(drawing(rng, 45, 123, 1)[..., 0]))
    save("grey-alpha-64x90.png", Image.fromarray(drawing(rng, 90, 64, 2), "LA"))
    save("rgba-150x99.png", Image.fromarray(drawing(rng, 99, 150, 4), "RGBA"))
    save("palette-80x120.png", rgb(120, 80).quantize(37))
    transparent = rgb(70, 90).quantize(16)
    save("palette-alpha-90x70.png", transparent, transparency=3)
    save("palette-shades-90x70.png", transparent, transparency=bytes([255, 128, 0, 64]))
    save("transparent-64x40.gif", transparent.crop((0, 0, 64, 40)), transparency=5)
    keyed = rgb(66, 66)
    save("rgb-key-66x66.png", keyed, transparency=keyed.getpixel((0, 0)))
    flat = Image.fromarray(drawing(rng, 50, 60, 1)[..., 0])
    save("grey-key-60x50.png", flat, transparency=flat.getpixel((0, 0)))
    save("bilevel-77x51.png", Image.fromarray(drawing(rng, 51, 77, 1)[..., 0]).convert("1"))
    y, x = np.mgrid[0:60, 0:80]
    deep = (x * 37 + y * 11).astype(np.uint16)
    deep[20:40, 20:60] = 60000
    save("grey16-80x60.png", Image.fromarray(deep))
    wide = (np.stack([x * 800, y * 1000, (x + y) * 400], -1) % 65536).astype(np.uint16)
    write_png(folder / "rgb16-80x60.png", wide, 2)
    made.append(("rgb16-80x60.png", SMALL, True))
    la16 = (np.stack([x * 800, y * 1000], -1) % 65536).astype(np.uint16)
    write_png(folder / "grey-alpha16-80x60.png", la16, 4)
    made.append(("grey-alpha16-80x60.png", SMALL, True))
    # A gamma chunk: Pillow does not apply it, so neither may we.
    write_png(folder / "gamma-80x60.png", wide, 2, png_chunk(b"gAMA", struct.pack(">I", 100000)))
    made.append(("gamma-80x60.png", SMALL, True))
    save("photo-320x240.jpg", rgb(240, 320), quality=80)
    save("photo-333x211-444.jpg", rgb(211, 333), quality=90, subsampling=0)
    save("photo-progressive-201x305.jpg", rgb(305, 201), quality=75, progressive=True, subsampling=1)
    save("grey-199x88.jpg", Image.fromarray(drawing(rng, 88, 199, 1)[..., 0]), quality=85)
    save("cmyk-90x140.jpg", Image.fromarray(drawing(rng, 140, 90, 4), "CMYK"), quality=85)
    for orientation in (2, 3, 5, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"exif{orientation}-150x80.jpg", rgb(80, 150), quality=80, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("exif6-150x80.png", rgb(80, 150), exif=exif)
    save("webp-120x95.webp", rgb(95, 120), quality=70, lossless=False)
    save("webp-lossless-60x64.webp", Image.fromarray(drawing(rng, 64, 60, 4), "RGBA"), lossless=True, exact=True)
    return made


def packed(array, kind):
    return base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode()


def digest(array, kind):
    return hashlib.sha256(np.ascontiguousarray(array, dtype=kind).tobytes()).hexdigest()


def process(path, bounds):
    made = Qwen2VLImageProcessorPil(**bounds)(images=[str(path)], return_tensors="np")
    return made["pixel_values"], made["image_grid_thw"][0].tolist()


def picture_reference(folder, name, bounds, lossless):
    """One picture's grid, sampled patch values, and a digest of all of them."""
    picture = load_image(str(folder / name))
    entry = {"name": name, "width": picture.width, "height": picture.height, **bounds, "lossless": lossless}
    try:
        values, grid = process(folder / name, bounds)
    except ValueError as error:
        return {**entry, "refused": str(error)}
    rng = np.random.default_rng(7)
    index = np.sort(rng.choice(values.size, min(SAMPLES, values.size), replace=False))
    return {
        **entry,
        "grid": grid,
        "sha256": digest(values, "<f4"),
        "index": packed(index, "<i4"),
        "value": packed(values.reshape(-1)[index], "<f4"),
    }


def smart_resize_reference():
    rng = np.random.default_rng(11)
    cases = []
    for _ in range(400):
        height, width = (int(v) for v in np.exp(rng.uniform(0, np.log(6000), 2)))
        factor = int(rng.choice([28, 28, 32, 14]))
        low = int(rng.choice([784, 3136, 262144]))
        high = int(rng.choice([low, 1003520, 12845056]))
        high = max(high, low)
        try:
            result = smart_resize(height, width, factor, low, high)
        except ValueError:
            result = None
        cases.append([height, width, factor, low, high, result])
    return cases


def rope(model, ids, grids, image_pad):
    ids = torch.tensor([ids])
    kinds = (ids == image_pad).int()
    positions, delta = model.get_rope_index(ids, kinds, torch.tensor(grids) if grids else None)
    return positions[:, 0].numpy(), int(delta[0, 0])


IMAGE = {"type": "image"}


def text_part(text):
    return {"type": "text", "text": text}


CONVERSATIONS = {
    "plain": [{"role": "user", "content": "What is 2 + 2?"}],
    "system": [{"role": "system", "content": WETHINK}, {"role": "user", "content": "Name a prime above 10."}],
    "empty": [{"role": "user", "content": ""}],
    "one image": [
        {"role": "system", "content": WETHINK},
        {"role": "user", "content": [IMAGE, text_part("What is the sum of the two digits?")]},
    ],
    "image in the middle": [
        {"role": "user", "content": [text_part("Look at "), IMAGE, text_part("\n and tell (A) 7 (B) 9.")]}
    ],
    "three images": [
        {"role": "user", "content": [IMAGE, IMAGE, text_part("Which differs from "), IMAGE, text_part("?")]}
    ],
    "turns": [
        {"role": "user", "content": [IMAGE, text_part("How many cats?")]},
        {"role": "assistant", "content": "<think>two ears, two ears</think>\n<answer>2</answer>"},
        {"role": "user", "content": [text_part("And here? "), IMAGE]},
    ],
    "unicode": [
        {
            "role": "user",
            "content": "Ünïcödé e\u0301 \u1e9b\u0323 中文字符 日本語 العربية 한국어 हिन्दी \U0001f468\u200d\U0001f469\u200d\U0001f467 🎉 ½ ² ∑∫√ \u00a0\u3000\u200b end",
        }
    ],
    "spaces": [{"role": "user", "content": "  two  spaces\ttab\n\n\nlines \r\n  \n x\u2028y  "}],
    "code": [
        {
            "role": "user",
            "content": "def f(x):\n    return x**2  # don't I'LL we've\n<tool_call>{\"a\": [1,2.50e-3]}</tool_call> <image_pad> | <|x|>",
        }
    ],
    "numbers": [{"role": "user", "content": "12345678901234567890 3.14159 1,000,000 x_1^2 ≤ 10% £5 ³ ٣ Ⅷ"}],
}
GRIDS = {
    "one image": [[1, 2, 4]],
    "image in the middle": [[1, 6, 4]],
    "three images": [[1, 2, 2], [1, 10, 4], [1, 4, 12]],
    "turns": [[1, 4, 4], [1, 2, 8]],
}
# (name, problem, picture files); <image> marks as EasyR1 reads them.
PROMPTS = [
    ("text only", "What is the largest of 3, 8 and 5?", []),
    ("image first", "What is the sum?", ["exact-56x28.png"]),
    ("two images first", "Same?", ["half-even-70x70.png", "tall-30x900.png"]),
    ("marks", "<image>\nIs this <image> larger?", ["plain-100x60.png", "noise-131x77.png"]),
    ("long picture", "Read <image> aloud.", ["long-5000x40.png"]),
]
DECODES = [[151644, 8948, 198, 151645], [9707, 11, 1879, 0], [145], [99164, 145, 99], [1, 151700, 2], [220, 220, 13, 220, 30]]


def chat_reference(tokenizer, model):
    image_pad = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    cases = []
    for name, messages in CONVERSATIONS.items():
        for generate in (True, False) if name in ("system", "turns") else (True,):
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generate)
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            grids = GRIDS.get(name, [])
            counts = iter(grids)
            full = [i for t in ids for i in ([t] * (np.prod(next(counts)) // 4) if t == image_pad else [t])]
            positions, delta = rope(model, full, grids, image_pad)
            cases.append(
                {
                    "name": name,
                    "messages": messages,
                    "addGenerationPrompt": generate,
                    "text": text,
                    "ids": ids,
                    "grids": grids,
                    "positions": positions.tolist(),
                    "ropeDelta": delta,
                }
            )
    return cases


def prompt_reference(tokenizer, model, folder):
    image_pad = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    cases = []
    for name, problem, files in PROMPTS:
        pieces = problem.split("<image>")
        if len(pieces) == 1:
            content = [IMAGE] * len(files) + [text_part(problem)]
        else:
            content = [part for i, piece in enumerate(pieces) for part in ([IMAGE] * (i > 0) + [text_part(piece)] * (piece != ""))]
        messages = [{"role": "system", "content": WETHINK}, {"role": "user", "content": content}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        made = [process(folder / file, SMALL) for file in files]
        expanded = text
        for _, grid in made:
            expanded = expanded.replace("<|image_pad|>", "<|held|>" * (int(np.prod(grid)) // 4), 1)
        expanded = expanded.replace("<|held|>", "<|image_pad|>")
        ids = tokenizer(expanded, add_special_tokens=False)["input_ids"]
        positions, delta = rope(model, ids, [grid for _, grid in made], image_pad)
        cases.append(
            {
                "name": name,
                "problem": problem,
                "files": files,
                "text": text,
                "length": len(ids),
                "tokens": digest(ids, "<i4"),
                "positions": digest(positions, "<i4"),
                "ropeDelta": delta,
                "patches": [digest(values, "<f4") for values, _ in made],
            }
        )
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder with the Qwen2.5-VL tokenizer files")
    model_dir = parser.parse_args().model
    folder = OUT / "images"
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [picture_reference(folder, *picture) for picture in write_pictures(folder)]
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    with torch.device("meta"):
        model = Qwen2_5_VLModel(Qwen2_5_VLConfig.from_pretrained(model_dir))

    def write(name, value):
        rows = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in value)
        (OUT / name).write_text(f"[\n{rows}\n]\n", encoding="utf-8")

    write("pictures.json", pictures)
    write("smart-resize.json", smart_resize_reference())
    write("chat.json", chat_reference(tokenizer, model))
    write("prompts.json", prompt_reference(tokenizer, model, folder))
    write(
        "decode.json",
        [
            {
                "ids": ids,
                "text": tokenizer.decode(ids, skip_special_tokens=False),
                "skipped": tokenizer.decode(ids, skip_special_tokens=True),
            }
            for ids in DECODES
        ],
    )
    total = sum(file.stat().st_size for file in OUT.rglob("*") if file.is_file())
    print(f"{len(pictures)} pictures, {total} bytes in {OUT}")


if __name__ == "__main__":
    main()

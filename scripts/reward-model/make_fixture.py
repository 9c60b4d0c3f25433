"""Make test/unit/three-labels: a model small enough to know every logit by heart.

    python scripts/reward-model/make_fixture.py --out test/unit/three-labels

The logits are the mean over the words of a text: 4 for the label that a word names, nothing for others. The word
"nan" has logits that are not numbers, and "broken" stands outside the model's table, which is an error when it runs.

Needs onnx, numpy and tokenizers.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel

LABELS = ["wrong", "maybe", "right"]
WORDS = ["[PAD]", "[UNK]", *LABELS, "nan", "broken"]
MAX_TOKENS = 8
NAMES = ["input_ids", "attention_mask"]


def build():
    table = np.zeros((len(WORDS) - 1, len(LABELS)), np.float32)
    for place, label in enumerate(LABELS):
        table[WORDS.index(label), place] = 4
    table[WORDS.index("nan")] = np.nan
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "input_ids"], ["rows"]),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "last"], ["column"]),
        node("Mul", ["rows", "column"], ["kept"]),
        node("ReduceSum", ["kept", "tokens"], ["sums"], keepdims=0),
        node("ReduceSum", ["column", "tokens"], ["counts"], keepdims=0),
        node("Div", ["sums", "counts"], ["logits"]),
    ]
    constants = {"table": table, "last": np.array([2]), "tokens": np.array([1])}
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "three-labels",
        [value(name, TensorProto.INT64, ["batch", "length"]) for name in NAMES],
        [value("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    (out / "onnx").mkdir(parents=True, exist_ok=True)
    (out / "onnx/model.onnx").write_bytes(build().SerializeToString())
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]"])
    tokenizer.save(str(out / "tokenizer.json"))
    names = {str(i): label for i, label in enumerate(LABELS)}
    config = {"model_type": "bert", "id2label": names, "max_position_embeddings": MAX_TOKENS}
    settings = {
        "model_max_length": MAX_TOKENS,
        "pad_token": "[PAD]",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "[UNK]",
    }
    for name, content in (("config.json", config), ("tokenizer_config.json", settings)):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

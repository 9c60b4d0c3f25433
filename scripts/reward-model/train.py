"""Train the reward model of the quickstart: does a description of digits mean the same as the gold answer?

    python scripts/reward-model/train.py --out checkpoints/reward-mini

A BERT of 0.2 million parameters reads the pair (gold answer, answer) and gives one logit. Every step draws new
pairs. A second head learns to name the digits of both texts, which teaches to read them and is then left out.
evaluate.py measures the exported model on digits and wordings that no step has shown.

Needs torch 2.13, transformers 5, tokenizers 0.23, onnx and onnxscript. About 15 minutes on two cores.
"""

import argparse
import json
import math
import random
import string
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

import negatives
import phrasings

MAX_TOKENS = 64
BUCKETS = [16, 20, 24, 32, MAX_TOKENS]  # pairs of like length run together, which spares padding
SLOTS, NO_DIGIT, IGNORED = 4, 10, -100  # what the helping loss reads
LABEL = "means the same"
POSITIVES, NEGATIVES = 64, 80  # pairs of one step
PAIRS = POSITIVES + NEGATIVES
WARMUP = 200
READING_WEIGHT = 0.5
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def is_held_out(digits):
    """Every seventh scene or so is kept for the evaluation."""
    return sum((3 * place + 2) * digit for place, digit in enumerate(digits)) % 7 == 3 and len(digits) > 1


def draw_scene(rng, held_out):
    while True:
        size = rng.choices([1, 2, 3, 4], [3, 77, 17, 3])[0]
        digits = [rng.randrange(10)] * size if rng.random() < 0.04 else [rng.randrange(10) for _ in range(size)]
        if is_held_out(digits) == held_out:
            return digits


def gold_answer(digits, rng):
    return phrasings.plain(digits) if rng.random() < 0.7 else phrasings.describe(digits, rng)


def draw_pairs(rng):
    """Pairs of texts and their labels for one step."""
    pairs, labels = [], []
    makers, shares = zip(*negatives.NEGATIVES)
    for make in [None] * POSITIVES + rng.choices(makers, shares, k=NEGATIVES):
        digits = draw_scene(rng, held_out=False)
        answer = negatives.wrong_answer(make, digits, rng) if make else phrasings.describe(digits, rng)
        pairs.append((gold_answer(digits, rng), answer))
        labels.append(0.0 if make else 1.0)
    return pairs, labels


def make_tokenizer(out):
    """Whole words of the task, and single characters for everything else that is ASCII."""
    words = set()
    rng = random.Random(0)
    for _ in range(20_000):
        digits = draw_scene(rng, held_out=False)
        words.update(phrasings.describe(digits, rng).lower().split())
    words.update(" ".join([*negatives.JUNK, *negatives.INJECTIONS, *phrasings.WORDS]).lower().split())
    words = sorted(word for word in words if word.isalpha() and len(word) > 1)
    characters = string.ascii_lowercase + string.digits
    vocabulary = SPECIAL + list(characters + string.punctuation) + [f"##{c}" for c in characters] + words
    file = out / "vocab.txt"
    file.write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertWordPieceTokenizer(str(file), lowercase=True).save(str(out / "tokenizer.json"))
    tokenizer = BertTokenizerFast(tokenizer_file=str(out / "tokenizer.json"), do_lower_case=True, model_max_length=MAX_TOKENS)
    file.unlink()
    tokenizer.save_pretrained(out)
    return tokenizer


def make_model(tokenizer):
    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=160,
            hidden_act="relu",
            initializer_range=0.1,
            max_position_embeddings=MAX_TOKENS,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            classifier_dropout=0.0,
            num_labels=1,
            id2label={0: LABEL},
            label2id={LABEL: 0},
            attn_implementation="eager",
        )
    )


def encode(tokenizer, pairs):
    return tokenizer(pairs, padding=True, truncation="only_second", max_length=MAX_TOKENS, return_tensors="pt")


def slots(text):
    """The digits of a description as targets of the second head; ignored where the text is no description."""
    digits = phrasings.read_digits(text)
    if digits is None or len(digits) > SLOTS:
        return [IGNORED] * SLOTS
    return digits + [NO_DIGIT] * (SLOTS - len(digits))


def draw_batches(tokenizer, rng):
    """The pairs of one step by their lengths, ready for the model: inputs, labels, digits."""
    pairs, labels = draw_pairs(rng)
    ids = tokenizer(pairs, truncation="only_second", max_length=MAX_TOKENS)["input_ids"]
    for low, high in zip([0, *BUCKETS], BUCKETS):
        chosen = [i for i, tokens in enumerate(ids) if low < len(tokens) <= high]
        if chosen:
            digits = [[slots(text) for text in pairs[i]] for i in chosen]
            inputs = encode(tokenizer, [pairs[i] for i in chosen])
            yield inputs, torch.tensor([labels[i] for i in chosen]), torch.tensor(digits)


def train(model, tokenizer, steps, seed, peak):
    rng = random.Random(seed)
    reader = torch.nn.Linear(model.config.hidden_size, 2 * SLOTS * (NO_DIGIT + 1))
    parameters = [*model.parameters(), *reader.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=peak, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * min(1, step / steps))),
    )
    judging, reading = torch.nn.BCEWithLogitsLoss(reduction="sum"), torch.nn.CrossEntropyLoss(reduction="sum")
    model.train()
    recent = []
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss, right = 0.0, 0
        for inputs, target, digits in draw_batches(tokenizer, rng):
            output = model(**inputs, output_hidden_states=True)
            logits = output.logits[:, 0]
            part = judging(logits, target)
            named = reader(output.hidden_states[-1][:, 0]).view(-1, NO_DIGIT + 1)
            helping = reading(named, digits.flatten()) / (2 * SLOTS)
            ((part + READING_WEIGHT * helping) / PAIRS).backward()
            loss += part.item() / PAIRS
            right += ((logits > 0) == (target > 0)).sum().item()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        recent.append((loss, right / PAIRS))
        if step % 200 == 0:
            losses, hits = zip(*recent[-200:])
            print(f"step {step}  loss {sum(losses) / 200:.4f}  right {sum(hits) / 200:.4f}", flush=True)
    model.eval()


def export(model, tokenizer, out):
    """One ONNX file with its weights inside; batch and length are free."""
    example = encode(tokenizer, [("three and five", "3, 5"), ("one and two", "a one left of a two")])
    names = ["input_ids", "attention_mask", "token_type_ids"]
    batch, length = torch.export.Dim("batch", max=1024), torch.export.Dim("length", max=MAX_TOKENS)
    (out / "onnx").mkdir(exist_ok=True)
    torch.onnx.export(
        model,
        (),
        str(out / "onnx/model.onnx"),
        kwargs={name: example[name] for name in names},
        input_names=names,
        output_names=["logits"],
        dynamic_shapes={name: {0: batch, 1: length} for name in names},
        external_data=False,
        dynamo=True,
    )
    config = {key: value for key, value in model.config.to_diff_dict().items() if key != "transformers_version"}
    config["architectures"] = ["BertForSequenceClassification"]
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lr", type=float, default=2e-3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(options.out)
    model = make_model(tokenizer)
    print(f"{len(tokenizer)} tokens, {sum(p.numel() for p in model.parameters())} parameters")
    train(model, tokenizer, options.steps, options.seed, options.lr)
    export(model, tokenizer, options.out)


if __name__ == "__main__":
    main()

"""Measure an exported reward model on pairs that its training has not shown; print the tables of its README.

    python scripts/reward-model/evaluate.py --model checkpoints/reward-mini

Needs onnxruntime, transformers 5 and numpy.
"""

import argparse
import itertools
import random
import re
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
from transformers import AutoTokenizer

import negatives
import phrasings
from train import MAX_TOKENS, draw_scene, gold_answer

PAIRS = 4000
BATCH = 256
ATTACKED, ROUNDS, CANDIDATES = 200, 30, 32
# The ways in which the policy of the quickstart learns to describe: scripts/digit-questions.ts.
TAUGHT = [
    ("{0} and {1}", "words"),
    ("a {0} and a {1}", "words"),
    ("{0} and {1}", "digits"),
    ("{0}, then {1}", "words"),
    ("{0}, then {1}", "digits"),
    ("{0} left of {1}", "words"),
    ("{1} right of {0}", "words"),
]


class Scorer:
    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.session = onnxruntime.InferenceSession(str(folder / "onnx/model.onnx"))
        self.names = [value.name for value in self.session.get_inputs()]

    def __call__(self, pairs):
        """Scores from 0 to 1."""
        scores = []
        for first in range(0, len(pairs), BATCH):
            batch = pairs[first : first + BATCH]
            inputs = self.tokenizer(batch, padding=True, truncation="only_second", max_length=MAX_TOKENS, return_tensors="np")
            (logits,) = self.session.run(["logits"], {name: inputs[name] for name in self.names})
            scores.append(1 / (1 + np.exp(-logits[:, 0])))
        return np.concatenate(scores)


def draw(make, rng, held_out_scene, held_out_words):
    digits = draw_scene(rng, held_out_scene)
    say = partial(phrasings.describe, held_out=held_out_words)
    answer = negatives.wrong_answer(make, digits, rng, say) if make else say(digits, rng)
    return gold_answer(digits, rng), answer


def measure(scorer, make, threshold, held_out_scene, held_out_words):
    """The share of accepted pairs, and the share of those that are accepted though they name other digits."""
    rng = random.Random(f"{make and make.__name__} {held_out_scene} {held_out_words}")
    pairs = [draw(make, rng, held_out_scene, held_out_words) for _ in range(PAIRS)]
    accepted = [pair for pair, score in zip(pairs, scorer(pairs)) if score >= threshold]
    others = [1 for gold, answer in accepted if digits_in(gold) != digits_in(answer)]
    return len(accepted) / PAIRS, len(others) / PAIRS


def digits_in(text):
    """The digits that a text names, whatever it says of them."""
    words = re.findall(r"[a-z]+|\d", text.lower())
    return sorted(phrasings.WORDS.index(word) if word in phrasings.WORDS else int(word) for word in words if word in phrasings.WORDS or word.isdigit())


def attack(scorer, threshold):
    """How often a climb over the score ends at an accepted answer that does not name the gold answer's digits."""
    rng = random.Random("attack")
    found = 0
    for _ in range(ATTACKED):
        digits = draw_scene(rng, held_out=True)
        gold, named = phrasings.plain(digits), sorted(digits)
        makers, shares = zip(*negatives.NEGATIVES)
        tries = [negatives.wrong_answer(make, digits, rng) for make in rng.choices(makers, shares, k=CANDIDATES)]
        best, best_score = "", 0.0
        for _ in range(ROUNDS):
            tries = [text for text in tries if digits_in(text) != named]
            scores = scorer([(gold, text) for text in tries]) if tries else np.zeros(1)
            if scores.max() > best_score:
                best, best_score = tries[int(scores.argmax())], float(scores.max())
            tries = [edited(best, rng) for _ in range(CANDIDATES)]
        found += best_score >= threshold
    return found


def edited(text, rng):
    """The text with one word dropped, replaced or put in."""
    words, place = text.split(), rng.randrange(len(text.split()) + 1)
    pool = negatives.JUNK + phrasings.WORDS + list("0123456789")
    kind = rng.randrange(3)
    words[place : place + (kind != 0)] = [] if kind == 2 else [rng.choice(pool)]
    return " ".join(words)


def taught(scorer, threshold):
    """All 90 pairs of different digits in all seven wordings against all 90 gold answers."""
    scenes = list(itertools.permutations(range(10), 2))
    texts = {}
    for digits in scenes:
        for template, form in TAUGHT:
            parts = [phrasings.WORDS[digit] for digit in digits] if form == "words" else digits
            texts.setdefault(digits, []).append(template.format(*parts))
    right, wrong = [], []
    for gold, answer in itertools.product(scenes, scenes):
        pairs = [(phrasings.plain(gold), text) for text in texts[answer]]
        (right if gold == answer else wrong).extend(pairs)
    return scorer(right), scorer(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--threshold", type=float, default=0.5)
    options = parser.parse_args()
    scorer = Scorer(options.model)
    share = partial(measure, scorer, threshold=options.threshold)

    print("| right answers accepted | seen wordings | new wordings |\n|---|---|---|")
    for name, held_out in (("seen digits", False), ("new digits", True)):
        row = [share(None, held_out_scene=held_out, held_out_words=words)[0] for words in (False, True)]
        print(f"| {name} | " + " | ".join(f"{value:.2%}" for value in row) + " |")
    print("\n| wrong answers accepted (new digits) | seen wordings | new wordings | naming other digits |\n|---|---|---|---|")
    total, weight = 0, sum(part for _, part in negatives.NEGATIVES)
    for make, part in negatives.NEGATIVES:
        seen, new = (share(make, held_out_scene=True, held_out_words=words) for words in (False, True))
        row = np.array([seen[0], new[0], max(seen[1], new[1])])
        total += row * part / weight
        print(f"| {make.__name__.replace('_', ' ')} | " + " | ".join(f"{value:.2%}" for value in row) + " |")
    print("| **all, as mixed in training** | " + " | ".join(f"{value:.2%}" for value in total) + " |")
    print(f"\nattack: {attack(scorer, options.threshold)} of {ATTACKED} gold answers")
    right, wrong = taught(scorer, options.threshold)
    print(
        f"wordings of the quickstart: {(right >= options.threshold).sum()} of {len(right)} right ones accepted "
        f"(lowest {right.min():.4f}), {(wrong >= options.threshold).sum()} of {len(wrong)} wrong ones (highest {wrong.max():.4f})"
    )


if __name__ == "__main__":
    main()

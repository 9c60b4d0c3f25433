"""Right descriptions of digits, and how to read them.

A scene is a tuple of digits, read from left to right. A description is a frame ("the picture shows ...") around a
core ("three and five", "a 5 to the right of a 3"). Some frames and cores are kept out of training, to measure how
the model does on wordings that it has never seen.
"""

import itertools
import re

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TIMES = ["twice", "three times", "four times"]

# (between, before the last): "3, 5 and 8".
JOINERS = [
    (" and ", " and "),
    (", ", " and "),
    (", ", ", and "),
    (", ", ", "),
    (",", ","),
    (" ", " "),
    (" & ", " & "),
    (" then ", " then "),
    (", then ", ", then "),
    (", ", ", then "),
    (" and then ", " and then "),
    (", ", " and then "),
    (" followed by ", " followed by "),
    (" followed by ", " and "),
    ("; ", "; "),
    (" next ", " next "),
]
HELD_OUT_JOINERS = [(", followed by ", ", followed by "), (", and then ", ", and then "), ("; then ", "; then ")]

# Two digits, {0} on the left.
RELATIONS = [
    "{0} left of {1}",
    "{1} right of {0}",
    "{0} to the left of {1}",
    "{1} to the right of {0}",
    "{0} is left of {1}",
    "{1} is right of {0}",
    "{0} is to the left of {1}",
    "{1} is to the right of {0}",
    "{0} on the left and {1} on the right",
    "{1} on the right and {0} on the left",
    "{0} on the left, {1} on the right",
    "{1} on the right, {0} on the left",
    "on the left {0}, on the right {1}",
    "on the left is {0}, on the right is {1}",
    "on the left {0} and on the right {1}",
    "on the right {1}, on the left {0}",
    "{0} left, {1} right",
    "{0} left and {1} right",
    "left {0}, right {1}",
    "left {0} and right {1}",
    "left {0} right {1}",
    "left: {0}, right: {1}",
    "right {1}, left {0}",
    "right: {1}, left: {0}",
    "left is {0}, right is {1}",
    "left is {0} and right is {1}",
    "{0} is left, {1} is right",
    "{0} is on the left and {1} is on the right",
    "{0} before {1}",
    "{1} after {0}",
    "{0} is before {1}",
    "{1} is after {0}",
    "{0} comes before {1}",
    "{1} comes after {0}",
    "first {0}, then {1}",
    "first {0} then {1}",
    "first {0} and then {1}",
    "first {0}, second {1}",
    "first comes {0}, then {1}",
    "{0} first, then {1}",
    "{0} first and {1} second",
    "{1} follows {0}",
    "{0} precedes {1}",
    "{0} with {1} to its right",
    "{1} with {0} to its left",
    "{0} with {1} on its right",
    "{0} beside {1}, which is on the right",
    "both {0} and {1}",
    "{0} as well as {1}",
]
HELD_OUT_RELATIONS = [
    "{0} is on the left of {1}",
    "{1} is on the right of {0}",
    "{0} on the left side and {1} on the right side",
    "the left digit is {0}, the right digit is {1}",
    "{0}, and {1} to the right of it",
    "first {0}, next {1}",
    "{0} comes first, then {1}",
    "left = {0}, right = {1}",
]
THREES = [
    "first {0}, then {1}, then {2}",
    "first {0}, then {1} and {2}",
    "first {0}, then {1} and then {2}",
    "{0} left, {1} in the middle, {2} right",
    "{0} on the left, {1} in the middle and {2} on the right",
    "{1} between {0} and {2}",
    "{0}, {1} in the middle, and {2}",
    "left {0}, middle {1}, right {2}",
]

FRAMES = ["{}"] * 12 + [
    "{}.",
    "the digits {}",
    "the numbers {}",
    "digits {}",
    "numbers {}",
    "the digits are {}",
    "the numbers are {}",
    "they are {}",
    "it is {}",
    "the picture shows {}",
    "the image shows {}",
    "it shows {}",
    "this shows {}",
    "the picture shows the digits {}",
    "the picture has {}",
    "i see {}",
    "we see {}",
    "you can see {}",
    "there is {}",
    "there are {}",
    "there are the digits {}",
    "from left to right: {}",
    "from left to right {}",
    "left to right: {}",
    "{} from left to right",
    "{}, from left to right",
    "{} in the picture",
    "{} in that order",
    "{}, in this order",
    "a picture of {}",
    "handwritten {}",
]
# Frames that take a whole clause: "i see a 3 left of a 5".
CLAUSE_FRAMES = ["{}"] * 12 + [
    "{}.",
    "the picture shows {}",
    "the image shows {}",
    "it shows {}",
    "i see {}",
    "we see {}",
    "you can see {}",
    "there is {}",
    "{} in the picture",
    "a picture of {}",
]
HELD_OUT_FRAMES = ["the picture contains {}", "i can see {}", "they show {}", "{} are in the image", "you see {}"]

# The commonest ones come most often.
CLAUSES = {2: RELATIONS + RELATIONS[:4] * 4, 3: THREES}
HELD_OUT_CLAUSES = {2: HELD_OUT_RELATIONS}

ARTICLES = {"a", "an", "the", "digit", "digits", "number", "numbers"}


def spell(digit, rng, words, article):
    """One digit: "three", "3", "a three", "the digit 3"."""
    text = WORDS[digit] if rng.random() < words else str(digit)
    if article == "a":
        return ("an " if digit == 8 and rng.random() < 0.8 else "a ") + text
    return f"{article} {text}" if article else text


def spell_all(digits, rng):
    words = rng.choice([0.0, 0.0, 1.0, 1.0, 1.0, 0.5])
    article = rng.choice(["", "", "", "", "a", "a", "the", "digit", "the digit", "the number", "number"])
    return [spell(digit, rng, words, article) for digit in digits]


def join(parts, joiner):
    between, last = joiner
    return between.join(parts[:-1]) + last + parts[-1] if len(parts) > 1 else parts[0]


def same_digit(digit, count, rng):
    """Two or more of one digit: "two threes", "three twice"."""
    word = WORDS[digit] if rng.random() < 0.7 else str(digit)
    plural = {"six": "sixes", "zero": "zeros"}.get(word, word + "s")
    choices = [f"{WORDS[count]} {plural}", f"{count} {plural}", f"{word} {TIMES[count - 2]}"]
    if count == 2:
        choices += [f"double {word}", f"a pair of {plural}", f"two {word} digits"]
    return rng.choice(choices)


def describe(digits, rng, held_out=False):
    """A right description of the digits; with held_out one that training never shows."""
    kinds = ["frame", "core"] if len(digits) > 1 else ["frame"]
    unseen = rng.choice(kinds) if held_out else None
    frame = rng.choice(HELD_OUT_FRAMES if unseen == "frame" else FRAMES)
    clause_frame = frame if unseen == "frame" else rng.choice(CLAUSE_FRAMES)
    if unseen != "core" and 1 < len(digits) < 5 and len(set(digits)) == 1 and rng.random() < 0.5:
        return frame.format(same_digit(digits[0], len(digits), rng))
    parts = spell_all(digits, rng)
    clauses = CLAUSES.get(len(digits)) if unseen != "core" else HELD_OUT_CLAUSES.get(len(digits))
    if clauses and rng.random() < 0.5:
        text = clause_frame.format(rng.choice(clauses).format(*parts))
    else:
        text = frame.format(join(parts, rng.choice(HELD_OUT_JOINERS if unseen == "core" else JOINERS)))
    return text[:1].upper() + text[1:] if rng.random() < 0.2 else text


def plain(digits):
    """The description that the digit questions have as their gold answer."""
    parts = [WORDS[digit] for digit in digits]
    return join(parts, (", ", " and "))


def _skeleton(text):
    """The words around the digits, and the digits; articles make no difference."""
    tokens = [token for token in re.findall(r"[^\W\d]+|\d+|[^\w\s]", text.lower()) if token not in ARTICLES]
    while tokens and tokens[-1] == ".":
        tokens.pop()
    digits = []
    for i, token in enumerate(tokens):
        value = WORDS.index(token) if token in WORDS else int(token) if re.fullmatch(r"\d", token) else None
        if value is not None:
            digits.append(value)
            tokens[i] = "#"
    return " ".join(tokens), tuple(digits)


def _language():
    """Every skeleton of a right description, with the places from left to right of the digits it names."""
    cores = [["{0}"], [], [], []]
    cores[1] = RELATIONS + HELD_OUT_RELATIONS
    cores[2] = THREES
    for count in (2, 3, 4):
        slots = [f"{{{i}}}" for i in range(count)]
        cores[count - 1] = cores[count - 1] + [join(slots, joiner) for joiner in JOINERS + HELD_OUT_JOINERS]
    language = {}
    for frame, (count, core) in itertools.product(
        set(FRAMES + HELD_OUT_FRAMES), [(i + 1, core) for i, some in enumerate(cores) for core in some]
    ):
        skeleton, places = _skeleton(frame.format(core.format(*range(count))))
        language[skeleton] = places
    return language


LANGUAGE = _language()


def read_digits(text):
    """The digits of a description from left to right, or None when it is none (or words several of one digit)."""
    skeleton, named = _skeleton(text)
    places = LANGUAGE.get(skeleton)
    if places is None or len(places) != len(named):
        return None
    digits = [0] * len(named)
    for digit, place in zip(named, places):
        digits[place] = digit
    return digits

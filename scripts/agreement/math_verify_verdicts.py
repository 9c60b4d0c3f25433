"""Adds math-verify's verdict to lines "label, family, gold, answer": reads stdin, writes stdout.

Gold and answer are set between dollar signs, as its README asks of LaTeX; an answer that has delimiters of its own
is parsed as it is.
"""

import logging
import sys

from math_verify import parse, verify

logging.disable(logging.CRITICAL)
OWN_DELIMITERS = ("$", "\\(", "\\boxed", "The answer is", "Answer:", "**")


def wrapped(text: str) -> str:
    return text if text.startswith(OWN_DELIMITERS) else f"${text}$"


for line in sys.stdin:
    label, family, gold, answer = line.rstrip("\n").split("\t")
    verdict = verify(parse(wrapped(gold)), parse(wrapped(answer)))
    print("\t".join([label, "right" if verdict else "wrong", family, gold, answer]))

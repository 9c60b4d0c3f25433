"""Write what Python `transformers` makes of some texts with the mini model's tokenizer: test/unit/mini-tokens.json.

    python scripts/mini/dump_tokens.py --model checkpoints/mini --data data/digits/heldout.jsonl
"""

import argparse
import json
from pathlib import Path

import transformers
from make_tokenizer import SYSTEM_PROMPT, content_of

ROWS = 40
TEXTS = [
    "",
    " ",
    "   three spaces, a tab\tand lines\n\n\r\nend \n",
    "Add the two digits.",
    "add THE two DIGITS",
    "It's 12345 or 3+5=8, isn't it?",
    "<think>3+5</think><answer>8</answer><|im_end|>",
    "<think></think> <answer> 8 </answer>\n",
    "<thin k><answer</answer>>",
    "You FIRST think about the reasoning process",
    "tags. tags tags.  tags.",
    SYSTEM_PROMPT,
    f"{SYSTEM_PROMPT} {SYSTEM_PROMPT}",
    "cafe\u0301 caf\u00e9 na\u00efve \u00df \u0130 \ufb01",
    "\u6570\u5b57\u7684\u548c\u662f\u591a\u5c11\uff1f \u0664\u0665 \u2163",
    "\U0001f600\U0001f469\u200d\U0001f467 \u202e\u0000",
    "<|im_start|>user<|vision_start|><|image_pad|><|vision_end|><tool_call>",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("test/unit/mini-tokens.json"))
    options = parser.parse_args()
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    texts = [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in TEXTS]
    chats = []
    for line in options.data.read_text(encoding="utf-8").splitlines()[:ROWS]:
        row = json.loads(line)
        content = content_of(row["problem"])
        chat = [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": content}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        chats.append({"content": content, "text": text, "ids": tokenizer(text)["input_ids"]})
        target = f"<think>{row['refined_cot']}</think><answer>{row['answer']}</answer><|im_end|>"
        texts.append({"text": target, "ids": tokenizer(target)["input_ids"]})
    # The text of every single token, by its id.
    decoded = [tokenizer.decode([token]) for token in range(len(tokenizer))]
    golden = {"transformers": transformers.__version__, "texts": texts, "chats": chats, "decoded": decoded}
    options.out.write_text(json.dumps(golden, ensure_ascii=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

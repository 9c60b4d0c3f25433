"""Make the tokenizer of the mini model: byte-level BPE of the Qwen2 kind, trained on the task's own text.

    python scripts/mini/make_tokenizer.py --data data/digits/sft.jsonl --out checkpoints/mini

Normaliser, pre-tokeniser and decoder are Qwen2's, and the 22 added tokens of Qwen2.5-VL follow the learnt
vocabulary in their own order. After them come <think>, </think>, <answer>, </answer>, as in Qwen3, and the
fixed runs of words of WeThink's system prompt: each is one added token, so that the system prompt costs nine
tokens and not 44. Pre-tokeniser alternatives that let merges cross words would do the same, but
`transformers` builds a Qwen2Tokenizer with its own pattern and would split them again.

Needs tokenizers 0.23 and transformers 5 (for the check at the end).
"""

import argparse
import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Qwen2.5-VL's added tokens in the order of their ids; the first fourteen are special, the others are not.
QWEN_SPECIAL = """<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|>
<|box_end|> <|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|>
<|video_pad|>""".split()
QWEN_PLAIN = """<tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|>
<|repo_name|> <|file_sep|>""".split()
TAGS = ["<think>", "</think>", "<answer>", "</answer>"]
SYSTEM_RUNS = [
    "You FIRST think about the reasoning process as an internal monologue and then provide the final answer.\n"
    "The reasoning process MUST BE enclosed within ",
    " tags. The final answer MUST BE enclosed within ",
    " tags.",
]
SYSTEM_PROMPT = f"{SYSTEM_RUNS[0]}<think> </think>{SYSTEM_RUNS[1]}<answer> </answer>{SYSTEM_RUNS[2]}"
VOCAB_MULTIPLE = 16  # the embedding is padded to it


def bare_tokenizer(model):
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(QWEN2_PATTERN), behavior="isolated"), byte_level]
    )
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    return tokenizer


def make_tokenizer(texts):
    """Learn merges until each word of the text is one token, then append the added tokens."""
    learner = bare_tokenizer(BPE())
    trainer = BpeTrainer(
        vocab_size=10_000,  # never reached: the words of the task run out first
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    learner.train_from_iterator(texts, trainer)
    learnt = json.loads(learner.to_str())["model"]
    merges = [tuple(merge) for merge in learnt["merges"]]
    tokenizer = bare_tokenizer(BPE(vocab=learnt["vocab"], merges=merges, fuse_unk=False, byte_fallback=False))
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in QWEN_SPECIAL])
    plain = QWEN_PLAIN + TAGS + SYSTEM_RUNS
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in plain])
    return tokenizer


def tokenizer_config(tokenizer, chat_template):
    plain = set(QWEN_PLAIN + TAGS + SYSTEM_RUNS)
    added = {}
    for text in QWEN_SPECIAL + QWEN_PLAIN + TAGS + SYSTEM_RUNS:
        flags = {"content": text, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
        added[str(tokenizer.token_to_id(text))] = {**flags, "special": text not in plain}
    return {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": QWEN_SPECIAL[1:],
        "bos_token": None,
        "chat_template": chat_template,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 1024,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }


def model_config(tokenizer):
    """The flat schema in which Qwen2.5-VL was published, with 0.9 million parameters."""
    token = tokenizer.token_to_id
    vocab = -(-tokenizer.get_vocab_size() // VOCAB_MULTIPLE) * VOCAB_MULTIPLE
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "attention_dropout": 0.0,
        "bos_token_id": token("<|endoftext|>"),
        "eos_token_id": token("<|im_end|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
        "vision_token_id": token("<|vision_pad|>"),
        "image_token_id": token("<|image_pad|>"),
        "video_token_id": token("<|video_pad|>"),
        "hidden_act": "silu",
        "hidden_size": 128,
        # Qwen's 0.02 suits its widths: with 96 and 128 the first steps hardly reach the vision tower.
        "initializer_range": 0.08,
        "intermediate_size": 320,
        "max_position_embeddings": 1024,
        "max_window_layers": 2,
        "model_type": "qwen2_5_vl",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0,
        "sliding_window": 1024,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "use_sliding_window": False,
        "vision_config": {
            "depth": 2,
            "hidden_act": "silu",
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_heads": 3,
            "in_chans": 3,
            "out_hidden_size": 128,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "window_size": 28,
            "fullatt_block_indexes": [1],
            "tokens_per_second": 2,
            "temporal_patch_size": 2,
        },
        "rope_scaling": {"type": "mrope", "mrope_section": [4, 6, 6]},
        "vocab_size": vocab,
    }


PREPROCESSOR = {
    "min_pixels": 784,
    "max_pixels": 12544,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "image_processor_type": "Qwen2VLImageProcessor",
    "processor_class": "Qwen2_5_VLProcessor",
}


def content_of(problem):
    """Parts of the user's message: the picture stands where the problem says <image>."""
    before, after = problem.split("<image>")
    text = [[{"type": "text", "text": part}] if part else [] for part in (before, after)]
    return [*text[0], {"type": "image"}, *text[1]]


def task_texts(rows):
    yield from ["system\n", "user\n", "assistant\n"] * 2
    for row in rows:
        yield from (*row["problem"].split("<image>"), row["refined_cot"], row["answer"])


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def check(out, rows):
    """Load the folder as its users do; report the lengths of prompts and targets."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    tokenizer = AutoTokenizer.from_pretrained(out)
    as_file = PreTrainedTokenizerFast(tokenizer_file=str(out / "tokenizer.json"))
    prompts, targets = [], []
    for row in rows:
        chat = [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": content_of(row["problem"])}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text)["input_ids"]
        if ids != as_file(text)["input_ids"] or tokenizer.decode(ids) != text:
            raise SystemExit(f"the tokenizer class and the file disagree on: {text}")
        prompts.append(len(ids) - 1)  # the template's image token stands for one token a digit
        target = f"<think>{row['refined_cot']}</think><answer>{row['answer']}</answer><|im_end|>"
        targets.append(len(tokenizer(target)["input_ids"]))
    print(f"vocabulary {len(tokenizer)}; system prompt {len(tokenizer(SYSTEM_PROMPT)['input_ids'])} tokens")
    for name, lengths in (("prompt without image tokens", prompts), ("target", targets)):
        mean = sum(lengths) / len(lengths)
        print(f"{name}: {min(lengths)} to {max(lengths)} tokens, mean {mean:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="rows of scripts/make-digits.ts")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write into")
    parser.add_argument(
        "--template", type=Path, help="chat_template.json of Qwen2.5-VL (default: the one already in --out)"
    )
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.data.read_text(encoding="utf-8").splitlines()]
    chat_template = json.loads((options.template or options.out / "chat_template.json").read_text(encoding="utf-8"))["chat_template"]
    tokenizer = make_tokenizer(task_texts(rows))
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(options.out / "tokenizer.json"))
    write_json(options.out / "tokenizer_config.json", tokenizer_config(tokenizer, chat_template))
    write_json(options.out / "chat_template.json", {"chat_template": chat_template})
    config = model_config(tokenizer)
    write_json(options.out / "config.json", config)
    write_json(options.out / "preprocessor_config.json", PREPROCESSOR)
    generation = {
        "bos_token_id": config["bos_token_id"],
        "pad_token_id": config["bos_token_id"],
        "do_sample": False,
        "eos_token_id": [config["eos_token_id"], config["bos_token_id"]],
    }
    write_json(options.out / "generation_config.json", generation)
    check(options.out, rows)


if __name__ == "__main__":
    main()

"""Tiny random Qwen2.5-VL models, written as Hugging Face folders.

`tied_4to1` is what transformers 5 saves (nested configuration, new tensor names), `untied_2to1` is
laid out as the models were first published (flat configuration, old names, two shards with an
index), and `untied_2to1_bf16` holds the same weights rounded to bfloat16, new names, one file.
"""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

# Special tokens sit above every text token and inside the smaller vocabulary, so that both models
# can be given the same prompts.
TEXT_TOKENS = 290
SPECIAL = dict(
    bos_token_id=295,
    vision_start_token_id=296,
    vision_end_token_id=297,
    video_token_id=298,
    image_token_id=299,
    eos_token_id=300,
)

TIED = dict(
    hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1,
    vocab_size=320, tie_word_embeddings=True, rope_theta=10000.0, mrope_section=[2, 3, 3],
    vision=dict(depth=3, hidden_size=32, num_heads=2, intermediate_size=48, window_size=56, fullatt_block_indexes=[1]),
)  # fmt: skip
UNTIED = dict(
    hidden_size=64, intermediate_size=88, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    vocab_size=301, tie_word_embeddings=False, rope_theta=1000000.0, mrope_section=[4, 2, 2],
    vision=dict(depth=3, hidden_size=40, num_heads=2, intermediate_size=52, window_size=112, fullatt_block_indexes=[0, 2]),
)  # fmt: skip


def flat_config(spec: dict) -> dict:
    """The configuration schema of the published models: text settings at the top level."""
    vision = dict(
        hidden_act="silu", in_chans=3, out_hidden_size=spec["hidden_size"], patch_size=14, spatial_merge_size=2,
        spatial_patch_size=14, tokens_per_second=2, temporal_patch_size=2, **spec["vision"],
    )  # fmt: skip
    text = {k: v for k, v in spec.items() if k not in ("vision", "mrope_section")}
    return dict(
        architectures=["Qwen2_5_VLForConditionalGeneration"], model_type="qwen2_5_vl", attention_dropout=0.0,
        hidden_act="silu", initializer_range=0.02, max_position_embeddings=4096, max_window_layers=2,
        rms_norm_eps=1e-06, sliding_window=4096, use_sliding_window=False, use_cache=True, torch_dtype="float32",
        rope_scaling=dict(type="mrope", mrope_section=spec["mrope_section"]), vision_config=vision, **SPECIAL, **text,
    )  # fmt: skip


def random_model(spec: dict, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """A model whose every weight matters: gains near one, biases not zero, norm weights not one."""
    # transformers edits the dictionaries that it is given, hence the copy.
    model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**json.loads(json.dumps(flat_config(spec)))))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if name.endswith("embed_tokens.weight") or name == "lm_head.weight":
                weight.copy_(0.3 * noise)
                # Small rows keep the special tokens out of greedy generation.
                weight[TEXT_TOKENS:] *= 0.25
            elif weight.dim() > 1:
                # Strong writes into the residual stream: with a tied head a weak one repeats its input token.
                gain = 2.5 if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.2
                weight.copy_(gain / math.sqrt(weight[0].numel()) * noise)
            elif name.endswith("bias"):
                weight.copy_(0.2 * noise)
            else:
                weight.copy_(1 + 0.2 * noise)
    return model.eval()


def named_weights(model) -> dict[str, torch.Tensor]:
    """Parameters under the new names; a tied head appears once, as the embedding."""
    return {name: weight.detach().contiguous() for name, weight in model.named_parameters()}


def old_name(name: str) -> str:
    return name.replace("model.language_model.", "model.").replace("model.visual.", "visual.")


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def save_new(model, folder: Path) -> None:
    """Nested configuration and new names in one file."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.architectures = ["Qwen2_5_VLForConditionalGeneration"]
    model.config.save_pretrained(folder)
    save_file(named_weights(model), folder / "model.safetensors", {"format": "pt"})


def save_published(model, spec: dict, folder: Path) -> None:
    """Flat configuration, old names, two shards; the cut runs through a decoder layer."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", flat_config(spec))
    weights = {old_name(name): weight for name, weight in named_weights(model).items()}
    names = sorted(weights)
    cut = names.index("model.layers.1.mlp.up_proj.weight")
    shards = {"model-00001-of-00002.safetensors": names[:cut], "model-00002-of-00002.safetensors": names[cut:]}
    for file, part in shards.items():
        save_file({name: weights[name] for name in part}, folder / file, {"format": "pt"})
    total = sum(weight.numel() * weight.element_size() for weight in weights.values())
    weight_map = {name: file for file, part in shards.items() for name in part}
    index = dict(metadata=dict(total_size=total), weight_map=dict(sorted(weight_map.items())))
    write_json(folder / "model.safetensors.index.json", index)


def load(folder: Path, dtype=torch.float32) -> Qwen2_5_VLForConditionalGeneration:
    """Read back from disk, so that the references belong to the files and not to the makers."""
    model, info = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        folder, dtype=dtype, attn_implementation="sdpa", output_loading_info=True
    )
    unread = [*info["missing_keys"], *info["unexpected_keys"], *info["mismatched_keys"]]
    if unread:
        raise RuntimeError(f"{folder}: tensors that do not match the model: {unread}")
    return model.eval()


def make_models(out: Path) -> None:
    tied, untied = random_model(TIED, seed=11), random_model(UNTIED, seed=12)
    save_new(tied, out / "tied_4to1")
    save_published(untied, UNTIED, out / "untied_2to1")
    save_new(untied.bfloat16(), out / "untied_2to1_bf16")

"""
`generate` of transformers as a child process: reads one JSON request a line, answers with one JSON line.

  {"load": {"folder", "device", "dtype", "random"}}
      -> {"versions": {...}, "threads", "device"} or {"absent": "why"}
  {"generate": {"input_ids": [[..]], "grids": [[t, h, w]], "responses", "tokens"}}
      -> {"seconds"}: all prompts at once, `responses` to each, sampled at temperature 1

The caller says when each round runs, so that rounds of several programs alternate; between requests this one
sleeps. `grids` are the pictures of the prompts in order (patches: time, height, width); their pixels are noise.
"""

import json
import os
import sys
import time


def load(folder, device, dtype, random):
    """Returns the model on its device: with the folder's weights, or random ones of its config.json."""
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    torch.set_num_threads(os.cpu_count() or 1)
    torch_dtype = getattr(torch, dtype)
    if random:
        config = Qwen2_5_VLConfig.from_pretrained(folder)
        config._attn_implementation = "sdpa"
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch_dtype)
        try:
            with torch.device(device):
                model = Qwen2_5_VLForConditionalGeneration(config)
        finally:
            torch.set_default_dtype(before)
    else:
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder, dtype=torch_dtype, attn_implementation="sdpa"
        )
    return model.to(device).eval()


def generate(model, input_ids, grids, responses, tokens):
    """Seconds for `responses` sampled responses of exactly `tokens` tokens to each prompt."""
    import torch

    ids = torch.tensor(input_ids, device=model.device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if grids:
        vision = model.config.vision_config
        patches = sum(t * h * w for t, h, w in grids)
        values = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        inputs["pixel_values"] = torch.randn(patches, values, device=model.device, dtype=model.dtype)
        inputs["image_grid_thw"] = torch.tensor(grids, device=model.device)
        inputs["mm_token_type_ids"] = (ids == model.config.image_token_id).int()

    def synchronize():
        if model.device.type == "cuda":
            torch.cuda.synchronize()

    synchronize()
    start = time.perf_counter()
    with torch.inference_mode():
        output = model.generate(
            **inputs,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            repetition_penalty=1.0,
            num_return_sequences=responses,
            min_new_tokens=tokens,
            max_new_tokens=tokens,
            pad_token_id=0,
        )
        synchronize()
    seconds = time.perf_counter() - start
    sampled = output.shape[1] - ids.shape[1]
    if sampled != tokens or output.shape[0] != responses * ids.shape[0]:
        raise RuntimeError(f"asked for {tokens} tokens of {responses} responses, got {list(output.shape)}")
    return seconds


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # Whatever the libraries print must not come between the answers.
    os.dup2(2, 1)
    model = None
    for line in sys.stdin:
        request = json.loads(line)
        if "load" in request:
            try:
                import torch
                import transformers

                if request["load"]["device"] == "cuda" and not torch.cuda.is_available():
                    raise ImportError("PyTorch finds no CUDA device")
                model = load(**request["load"])
                answer = {
                    "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
                    "threads": torch.get_num_threads(),
                    "device": torch.cuda.get_device_name() if model.device.type == "cuda" else "cpu",
                }
            except ImportError as error:
                answer = {"absent": str(error)}
        else:
            answer = {"seconds": generate(model, **request["generate"])}
        answers.write(json.dumps(answer) + "\n")


main()

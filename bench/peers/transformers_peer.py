"""
transformers as a child process: reads one JSON request a line, answers with one JSON line.

  {"load": {"folder", "device", "dtype", "random", "lora_rank"}}
      -> {"versions": {...}, "threads", "device"} or {"absent": "why"}
  {"generate": {"input_ids": [[..]], "grids": [[t, h, w]], "responses", "tokens"}}
      -> {"seconds"}: all prompts at once, `responses` to each, sampled at temperature 1
  {"step": as above, with "recompute"} -> {"samplingSeconds", "referenceSeconds", "updateSeconds", "peakBytes"}: a GRPO step

The caller says when each round runs, so that rounds of several programs alternate; between requests this one
sleeps. `grids` are the pictures of the prompts in order (patches: time, height, width); their pixels are noise.
"""

import json
import os
import sys
import time


LEARNING_RATE = 1e-6
CLIP_LOW, CLIP_HIGH, KL_COEF = 0.2, 0.3, 0.01


def load(folder, device, dtype, random, lora_rank):
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
    model = model.to(device).eval()
    if lora_rank:
        from peft import LoraConfig, get_peft_model

        adapter = LoraConfig(
            r=lora_rank, lora_alpha=2 * lora_rank, target_modules="all-linear", exclude_modules=".*visual.*"
        )
        model = get_peft_model(model, adapter)
    return model


def model_inputs(model, ids, grids):
    """The keyword arguments of a pass over `ids` [B, L] with noise for pictures."""
    import torch

    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if grids:
        vision = model.config.vision_config
        patches = sum(t * h * w for t, h, w in grids)
        values = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        inputs["pixel_values"] = torch.randn(patches, values, device=model.device, dtype=model.dtype)
        inputs["image_grid_thw"] = torch.tensor(grids, device=model.device)
        inputs["mm_token_type_ids"] = (ids == model.config.image_token_id).int()
    return inputs


def clock(model):
    """Seconds, after everything that the device was asked for."""
    import torch

    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def sample(model, input_ids, grids, responses, tokens):
    """`responses` sampled responses of exactly `tokens` tokens to each prompt: whole sequences [B * responses, L]."""
    import torch

    ids = torch.tensor(input_ids, device=model.device)
    with torch.inference_mode():
        output = model.generate(
            **model_inputs(model, ids, grids),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            repetition_penalty=1.0,
            num_return_sequences=responses,
            min_new_tokens=tokens,
            max_new_tokens=tokens,
            pad_token_id=0,
            # In a response they would ask for pictures that are not there.
            suppress_tokens=[model.config.image_token_id, model.config.video_token_id],
        )
    sampled = output.shape[1] - ids.shape[1]
    if sampled != tokens or output.shape[0] != responses * ids.shape[0]:
        raise RuntimeError(f"asked for {tokens} tokens of {responses} responses, got {list(output.shape)}")
    return output.clone()


def generate(model, **work):
    """Seconds of sampling."""
    start = clock(model)
    sample(model, **work)
    return clock(model) - start


def response_logprobs(model, sequences, grids, tokens):
    """Log-probabilities [B, tokens] of the last tokens of each sequence; logits of no others are computed."""
    inputs = model_inputs(model, sequences, grids)
    logits = model(**inputs, logits_to_keep=tokens + 1, use_cache=False).logits[:, :-1].float()
    chosen = logits.gather(-1, sequences[:, -tokens:, None])[..., 0]
    return chosen - logits.logsumexp(-1)


def step(model, input_ids, grids, responses, tokens, recompute):
    """A GRPO step: sampling, the reference where it costs no second model, and one update with AdamW, by prompt."""
    import contextlib

    import torch

    is_cuda = model.device.type == "cuda"
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE)
    began = clock(model)
    sequences = sample(model, input_ids, grids, responses, tokens)
    sampled = clock(model)
    per_prompt = len(grids) // len(input_ids)
    groups = [
        (sequences[i * responses : (i + 1) * responses], grids[i * per_prompt : (i + 1) * per_prompt] * responses)
        for i in range(len(input_ids))
    ]
    adapter_off = model.disable_adapter if hasattr(model, "disable_adapter") else contextlib.nullcontext
    with torch.no_grad(), adapter_off():
        references = [response_logprobs(model, ids, own, tokens) for ids, own in groups]
    scored = clock(model)
    model.train()
    if recompute:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    for (ids, own), reference in zip(groups, references):
        new = response_logprobs(model, ids, own, tokens)
        advantage = torch.tensor([[1.0], [-1.0]], device=new.device).repeat(responses, 1)[:responses]
        ratio = torch.exp(new - new.detach())
        clipped = ratio.clamp(1 - CLIP_LOW, 1 + CLIP_HIGH)
        policy = -torch.minimum(ratio * advantage, clipped * advantage)
        gap = reference - new
        loss = (policy + KL_COEF * (torch.exp(gap) - gap - 1)).mean() / len(groups)
        loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    updated = clock(model)
    if recompute:
        model.gradient_checkpointing_disable()
    model.eval()
    return {
        "samplingSeconds": sampled - began,
        "referenceSeconds": scored - sampled,
        "updateSeconds": updated - scored,
        "peakBytes": torch.cuda.max_memory_allocated() if is_cuda else None,
    }


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
        elif "step" in request:
            answer = step(model, **request["step"])
        else:
            answer = {"seconds": generate(model, **request["generate"])}
        answers.write(json.dumps(answer) + "\n")


main()

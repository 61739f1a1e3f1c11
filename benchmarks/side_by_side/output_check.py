"""Are an engine's outputs right? Its greedy tokens against a float32 reference, a disagreement counted once.

Where an engine leaves the reference, it is set back on the reference's path and goes on: a near tie costs one token
and not all that follow. A wrong tokenizer, rotary layout or cache costs nearly all of them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

Tokens = list[int]
Complete = Callable[[Sequence[Tokens], Sequence[int]], list[Tokens]]
"""Takes prompts and the number of tokens to generate for each; returns the greedy outputs."""

NUM_TOKENS = 64
LEAST_AGREEMENT = 0.6
"""Below, something is wrong. Coarse weights alone cost about a quarter of the tokens (llama.cpp's Q4_0: 0.73)."""


def load_dense(source: Path, dtype: str) -> Any:
    """Return transformers' model of a GGUF file, its weights unpacked; if not told, it keeps GGUF's blocks."""
    model: torch.nn.Module = transformers.AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=getattr(torch, dtype),
        quantization_config=transformers.GgufConfig(dequantize=True),
    )
    return model


def tokenizer_of(source: Path) -> Any:
    """Return the tokenizer of a GGUF file, a tokenizers.Tokenizer."""
    return transformers.AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).backend_tokenizer


@torch.inference_mode()
def reference_outputs(gguf: Path, prompts: Sequence[Tokens]) -> list[Tokens]:
    """Return the outputs of Hugging Face transformers on the same file in float32."""
    model = load_dense(gguf, "float32")
    settings = {"max_new_tokens": NUM_TOKENS, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    outputs = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        found = model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
        outputs.append(found[0, len(prompt) :].tolist())
    return outputs


def agreement(complete: Complete, prompts: Sequence[Tokens], expected: Sequence[Tokens]) -> float:
    """Return the share of the reference's tokens that the engine would have chosen too."""
    places = dict.fromkeys(range(len(prompts)), 0)  # of the prompts that are not through: the next token to compare
    disagreements = 0
    while places:
        asked = [prompts[number] + expected[number][:place] for number, place in places.items()]
        outputs = complete(asked, [len(expected[number]) - place for number, place in places.items()])
        differing = {}
        for (number, place), output in zip(places.items(), outputs, strict=True):
            pairs = enumerate(zip(output, expected[number][place:], strict=True))
            if (differs := next((at for at, (a, b) in pairs if a != b), None)) is not None:
                differing[number] = place + differs + 1
        disagreements += len(differing)
        places = {number: place for number, place in differing.items() if place < len(expected[number])}
    return 1 - disagreements / sum(map(len, expected))

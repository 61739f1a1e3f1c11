"""Is our greedy output that of Hugging Face transformers, token for token, on the same GGUF file in float32?

    python -m benchmarks.greedy_parity [--address 127.0.0.1:50050] [--prompts 20] [--tokens 64]

Needs a running Tandem (`tandem up`) that serves the model in float32. Exits with 1 if any prompt differs. The last line
of stdout is one JSON document.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import grpc
import torch
import transformers
from rich.progress import track

from runtime.models import ModelRepository
from tandem.ar.v1 import ar_pb2, ar_pb2_grpc
from tandem.measure.prompts import PROMPTS

MODEL = "smollm2-135m-instruct"


def ours(address: str, prompt: list[int], num_tokens: int) -> list[int]:
    """Return the greedy continuation by the server at `address`."""
    request = ar_pb2.GenerateRequest(
        model=MODEL,
        tokens=ar_pb2.TokenPrompt(ids=prompt),
        sampling=ar_pb2.SamplingParams(temperature=0.0, max_tokens=num_tokens, ignore_eos=True),
    )
    with grpc.insecure_channel(address) as channel:
        stub = ar_pb2_grpc.AutoregressiveServiceStub(channel)
        return [token for response in stub.Generate(request) for token in response.token_ids]


@torch.inference_mode()
def theirs(model: Any, prompt: list[int], num_tokens: int) -> list[int]:
    """Return the greedy continuation by transformers."""
    output = model.generate(
        torch.tensor([prompt]), max_new_tokens=num_tokens, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    return list(output[0, len(prompt) :].tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--address", default="127.0.0.1:50050")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    path = ModelRepository(options.models_dir).get(MODEL).transformer_path()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    equal = 0
    for text in track(PROMPTS[: options.prompts], description="comparing"):
        prompt = tokenizer(text)["input_ids"]
        expected, found = theirs(model, prompt, options.tokens), ours(options.address, prompt, options.tokens)
        equal += found == expected
        if found != expected:
            place = next(i for i, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1])
            print(f"{text!r}: differs from token {place} on", file=sys.stderr)
    print(json.dumps({"prompts": options.prompts, "tokens_each": options.tokens, "equal": equal}))
    sys.exit(equal != options.prompts)


if __name__ == "__main__":
    main()

"""How near are answers to what float32 makes of the same 4-bit weights: our kernel's variants.

    python -m benchmarks.parity [--contenders int4-8-int8 int4-8 int4-16] [--questions 40] [--out out]

Contenders are `dtype` and, with weights of few bits, `activation_bits` and `kv_cache_dtype` of the kernel; the model's
default is int4-8-int8. The reference is the kernel in float32, which `benchmarks.side_by_side` compares with
transformers token for token. It answers everyday questions greedily, up to 20 tokens each; then all contenders score
these answers: where one leaves them, it is set back. `answers_equal` are those that it would give token for token,
`divergence` is Kullback and Leibler's, nats a token. Writes text_parity.json.
"""

import sys
from collections.abc import Iterable
from collections.abc import Sequence as Many
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.results import write
from benchmarks.peers.weights import describe_weights, shipped_weights
from runtime.cores import usable_cores
from services.ar.codecs.text_codec import TextCodec
from services.ar.compute.opening import open_computation
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout, Work
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings

ANSWER_TOKENS = 20
CHUNK_TOKENS = 256
CONTEXT_TOKENS = 1024
BLOCK_SIZE = 16
QUESTIONS = Path(__file__).with_name("questions.txt").read_text().splitlines()
CONTENDERS = ("int4-8-int8", "int4-8", "int4-16", "int8-8", "int8-16", "bfloat16")


@dataclass(frozen=True)
class ScoredText:
    """`first`: place of the first judged token, at least 1."""

    ids: list[int]
    first: int


class Kernel:
    """What computes a checkpoint, with settings by their names: the CPU's kernel, or torch. One text at a time."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        dtype: str,
        activation_bits: str = "8",
        kv_cache: str = "auto",
        kernel: str = "native",
        device: str = "cpu",
    ) -> None:
        sizes = {"block_size": BLOCK_SIZE, "kv_cache_tokens": CONTEXT_TOKENS, "max_context_tokens": CONTEXT_TOKENS}
        kinds = {"dtype": dtype, "activation_bits": activation_bits, "kv_cache_dtype": kv_cache}
        settings = ArSettings.model_validate({"device": device, "kernel": kernel, **sizes, **kinds})
        computation = open_computation(checkpoint, CONTEXT_TOKENS, usable_cores(), settings, lambda share: None)
        self._forward = computation.forward
        self._forward.start()

    def logits(self, text: ScoredText) -> Tensor:
        """Return the logits that judge a text's tokens: [judged, vocabulary], float32, on the CPU."""
        return torch.cat(list(self._chunks(text.ids[:-1], 0)))[text.first - 1 :]

    def greedy(self, prompt: list[int], num_tokens: int, ends: Iterable[int]) -> list[int]:
        """Return the likeliest continuation, up to the first of `ends`, which it includes."""
        ids = list(prompt)
        while len(ids) < len(prompt) + num_tokens and not (len(ids) > len(prompt) and ids[-1] in ends):
            known = len(ids) - 1 if len(ids) > len(prompt) else 0
            *_, last = self._chunks(ids, known)
            ids.append(int(last[-1].argmax()))
        return ids[len(prompt) :]

    def _chunks(self, ids: list[int], known: int) -> Iterable[Tensor]:
        """Compute what comes behind the `known` first tokens."""
        sequence = Sequence([*ids, 0], SamplingParams(logprobs=True), is_scored=True)
        sequence.block_table = list(range(CONTEXT_TOKENS // BLOCK_SIZE))
        sequence.num_computed_tokens = known
        while sequence.num_computed_tokens < len(ids):
            work = Work(sequence, min(CHUNK_TOKENS, len(ids) - sequence.num_computed_tokens))
            yield torch.as_tensor(self._forward(Layout([work], BLOCK_SIZE)).logits).float().cpu().clone()
            sequence.num_computed_tokens += work.num_tokens


def compare(found: Many[Tensor], reference: Many[Tensor]) -> dict[str, float]:
    """Compare logits along the reference's greedy answers."""
    pairs = list(zip(found, reference, strict=True))
    equal = [a.argmax(-1) == b.argmax(-1) for a, b in pairs]
    return {
        "num_answers": len(equal),
        "first_tokens_equal": sum(bool(answer[0]) for answer in equal),
        "answers_equal": sum(bool(answer.all()) for answer in equal),
        "tokens": sum(map(len, equal)),
        "tokens_equal": sum(int(answer.sum()) for answer in equal),
        "divergence": float(torch.cat([_divergence(a, b) for a, b in pairs]).mean()),
    }


def _divergence(found: Tensor, reference: Tensor) -> Tensor:
    """Return sum p ln(p / q) of each row, where p is the reference's: [rows]."""
    expected = torch.log_softmax(reference.double(), dim=-1)
    return (expected.exp() * (expected - torch.log_softmax(found.double(), dim=-1))).sum(-1)


def measure(names: list[str], num_questions: int) -> dict[str, Any]:
    figures, gguf = Figures(), shipped_weights()
    checkpoint = open_checkpoint(gguf)
    codec, reference = TextCodec(checkpoint, 2048), Kernel(checkpoint, "float32")
    answers = []
    for question in QUESTIONS[:num_questions]:
        prompt = codec.encode_chat([("user", question)])
        answers.append(ScoredText(prompt + reference.greedy(prompt, ANSWER_TOKENS, codec.eos_token_ids), len(prompt)))
    expected = list(map(reference.logits, answers))
    del reference
    contenders = {}
    for name in names:
        print(f"scoring by {name}", file=sys.stderr)
        contenders[name] = compare(list(map(Kernel(checkpoint, *name.split("-")).logits, answers)), expected)
    about = {**describe_weights(gguf), "num_questions": len(answers), "contenders": contenders}
    return figures.document("text_parity", 1, about=about)


def main() -> None:
    flags = parser(__doc__, out="text_parity")
    flags.add_argument("--contenders", nargs="*", choices=CONTENDERS, default=list(CONTENDERS))
    flags.add_argument("--questions", type=int, default=len(QUESTIONS))
    options = flags.parse_args()
    with torch.inference_mode():
        write(options.out, "text_parity", measure(options.contenders, options.questions))


if __name__ == "__main__":
    main()

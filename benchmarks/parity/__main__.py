"""How near are answers to what float32 makes of the same 4-bit weights: our kernel's variants.

    python -m benchmarks.parity [--contenders int4-8-int8,int4-8,int4-16] [--questions 40] [--out out]

Contenders are `dtype` and, with weights of few bits, `activation_bits` and `kv_cache_dtype` of the kernel; the model's
default is int4-8-int8. The reference is the kernel in float32, which `benchmarks.side_by_side` compares with
transformers token for token. It answers everyday questions greedily, up to 20 tokens each; then all contenders score
these answers. `benchmarks.perplexity` compares what they make of held text. Writes text_parity.json and text_parity.md.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness.command import parser, some_of
from benchmarks.harness.kernel import BLOCK_SIZE, TEXT_MODEL, open_kernel
from benchmarks.harness.printing import table_of, write
from benchmarks.harness.surroundings import surroundings
from benchmarks.parity.figures import ScoredText, of_answers
from benchmarks.parity.questions import QUESTIONS
from services.ar.codecs.text_codec import TextCodec
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout, Work
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.weights import open_checkpoint
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelRepository

ANSWER_TOKENS = 20
CHUNK_TOKENS = 256
CONTEXT_TOKENS = 1024
CONTENDERS = ("int4-8-int8", "int4-8", "int4-16", "int8-8", "int8-16", "bfloat16")


class Kernel:
    """The kernel on a checkpoint, with settings by their names. One text at a time."""

    def __init__(self, checkpoint: Checkpoint, dtype: str, activation_bits: str = "8", kv_cache: str = "auto") -> None:
        settings = {"dtype": dtype, "activation_bits": activation_bits, "kv_cache_dtype": kv_cache}
        self._forward = open_kernel(checkpoint, CONTEXT_TOKENS, **settings)

    def logits(self, text: ScoredText) -> Tensor:
        """Return the logits that judge a text's tokens."""
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
            yield torch.from_numpy(self._forward(Layout([work], BLOCK_SIZE)).logits.copy())
            sequence.num_computed_tokens += work.num_tokens


def measure(names: list[str], num_questions: int) -> dict[str, Any]:
    gguf = ModelRepository(Path("models")).get(TEXT_MODEL).transformer_path()
    checkpoint = open_checkpoint(gguf)
    codec = TextCodec(checkpoint, 2048)
    reference = Kernel(checkpoint, "float32")
    answers = []
    for question in QUESTIONS[:num_questions]:
        prompt = codec.encode_chat([("user", question)])
        answers.append(ScoredText(prompt + reference.greedy(prompt, ANSWER_TOKENS, codec.eos_token_ids), len(prompt)))
    expected = [reference.logits(answer) for answer in answers]
    del reference
    found = {}
    for name in names:
        print(f"scoring by {name}", file=sys.stderr)
        kernel = Kernel(checkpoint, *name.split("-"))
        found[name] = of_answers([kernel.logits(answer) for answer in answers], expected)
    return {
        "benchmark": "text_parity",
        "model": TEXT_MODEL,
        "weights_sha256": sha256_of(gguf),
        "num_questions": len(answers),
        "surroundings": surroundings(),
        "contenders": found,
    }


def page(report: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows = [
        (
            name,
            f"{found['first_tokens_equal']} of {found['num_answers']}",
            f"{found['tokens_equal']} of {found['tokens']}",
            f"{found['answers_equal']} of {found['num_answers']}",
            f"{found['divergence']:.5f}",
        )
        for name, found in report["contenders"].items()
    ]
    header = ("contender", "first tokens equal", "tokens equal", "answers equal", "divergence")
    about = (
        f"{report['model']}: {report['num_questions']} everyday questions, answers of up to {ANSWER_TOKENS} tokens,"
        " beside float32 computation of the same weights. Divergence is Kullback-Leibler's, nats a token. Written by"
        " `python -m benchmarks.parity`."
    )
    return f"# Nearness to float32\n\n{about}\n\n{table_of(header, rows)}\n"


def main() -> None:
    flags = parser(__doc__, out="text_parity")
    flags.add_argument("--contenders", type=some_of(CONTENDERS), default=list(CONTENDERS), help="default: all")
    flags.add_argument("--questions", type=int, default=len(QUESTIONS))
    options = flags.parse_args()
    with torch.inference_mode():
        report = measure(options.contenders, options.questions)
    write(options.out, "text_parity", report, page(report))


if __name__ == "__main__":
    main()

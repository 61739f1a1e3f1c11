"""How near are answers to what float32 makes of the same 4-bit weights: our kernel's variants, and llama.cpp.

    python -m benchmarks.parity [--contenders int4-8,int4-16,llama.cpp] [--questions 40] [--out out]

Contenders are `dtype` and, with weights of few bits, `activation_bits` of the kernel. The reference is the kernel in
float32, which `benchmarks.side_by_side` compares with transformers token for token. It answers everyday questions
greedily, up to 20 tokens each; then all contenders score these answers. llama.cpp is built from PyPI's source for this
very CPU. `benchmarks.perplexity` compares what they make of held text. Writes text_parity.json and text_parity.md. The
last line of stdout is JSON.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from benchmarks.harness.printing import dumped, table_of, write
from benchmarks.harness.surroundings import surroundings, without_places
from benchmarks.parity import llama_logits
from benchmarks.parity.figures import ScoredText, of_answers
from benchmarks.parity.kernel import Kernel
from benchmarks.parity.questions import QUESTIONS
from benchmarks.peers.installing import CannotSetUp, once, run
from benchmarks.peers.llama_cpp import PACKAGE
from benchmarks.side_by_side.engines import some_of
from runtime.cores import usable_cores
from runtime.file_hashes import sha256_of
from runtime.models import ModelRepository
from runtime.settings import cache_folder
from services.ar.codecs.text_codec import TextCodec
from services.ar.model.weights import open_checkpoint

MODEL = "smollm2-135m-instruct"
ANSWER_TOKENS = 20
LLAMA_CPP = "llama.cpp"
CONTENDERS = ("int4-8", "int4-16", "int8-8", "int8-16", "bfloat16", LLAMA_CPP)

Score = Callable[[Sequence[ScoredText]], list[Tensor]]


def by_kernel(kernel: Kernel) -> Score:
    return lambda texts: [kernel.logits(text) for text in texts]


def by_llama_cpp(folder: Path, gguf: Path) -> Score:
    """Build what is missing under `folder`. Raises CannotSetUp."""

    def install(home: Path) -> None:
        log, python = home / "log", home / "environment/bin/python"
        run([Path("python3"), "-m", "venv", home / "environment"], log)
        flags = f"CMAKE_ARGS={llama_logits.CMAKE_FLAGS}"
        run(["env", flags, python, "-m", "pip", "install", "--no-binary", "llama-cpp-python", PACKAGE], log)

    home = folder / "llama_logits"
    once(home, f"{PACKAGE} {llama_logits.CMAKE_FLAGS}", install)

    def score(texts: Sequence[ScoredText]) -> list[Tensor]:
        wanted, found = home / "texts.json", home / "logits.npy"
        wanted.write_text(json.dumps([(text.ids, text.first) for text in texts]))
        python, script = home / "environment/bin/python", Path(llama_logits.__file__)
        run([python, script, gguf, wanted, found, str(usable_cores())], home / "log")
        rows = torch.from_numpy(np.load(found))
        found.unlink()
        return list(rows.split([len(text.ids) - text.first for text in texts]))

    return score


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    gguf = ModelRepository(Path("models")).get(MODEL).transformer_path()
    checkpoint = open_checkpoint(gguf)
    codec = TextCodec(checkpoint, 2048)
    reference = Kernel(checkpoint, "float32")
    answers = []
    for question in QUESTIONS[: options.questions]:
        prompt = codec.encode_chat([("user", question)])
        answers.append(ScoredText(prompt + reference.greedy(prompt, ANSWER_TOKENS, codec.eos_token_ids), len(prompt)))
    expected = by_kernel(reference)(answers)
    del reference
    left_out: dict[str, str] = {}
    found: dict[str, dict[str, Any]] = {}
    for name in options.contenders:
        console.print(f"scoring by {name}")
        try:
            if name == LLAMA_CPP:
                score = by_llama_cpp(options.cache, gguf)
            else:
                score = by_kernel(Kernel(checkpoint, *name.split("-")))
            logits = score(answers)
        except CannotSetUp as error:
            left_out[name] = without_places(str(error))
            continue
        found[name] = asdict(of_answers(logits, expected))
    return {
        "benchmark": "text_parity",
        "model": MODEL,
        "weights_sha256": sha256_of(gguf),
        "num_questions": len(answers),
        "surroundings": surroundings(),
        "left_out": left_out,
        "contenders": found,
    }


def page(report: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows = []
    for name, answers in report["contenders"].items():
        rows.append(
            [
                name,
                f"{answers['first_tokens_equal']} of {answers['num_answers']}",
                f"{answers['tokens_equal']} of {answers['tokens']}",
                f"{answers['answers_equal']} of {answers['num_answers']}",
                f"{answers['divergence']:.5f}",
            ]
        )
    header = ("contender", "first tokens equal", "tokens equal", "answers equal", "divergence")
    about = (
        f"{report['model']}: {report['num_questions']} everyday questions, answers of up to {ANSWER_TOKENS} tokens,"
        " beside float32 computation of the same weights. Divergence is Kullback-Leibler's, nats a token. Written by"
        " `python -m benchmarks.parity`."
    )
    return f"# Nearness to float32\n\n{about}\n\n{table_of(header, rows)}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--contenders", type=some_of(CONTENDERS), default=list(CONTENDERS), help="default: all")
    parser.add_argument("--questions", type=int, default=len(QUESTIONS))
    parser.add_argument("--cache", type=Path, default=cache_folder() / "peers", help="where peers are installed")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for both files")
    options = parser.parse_args()
    with torch.inference_mode():
        report = measure(options, Console(stderr=True, highlight=False))
    write(options.out, "text_parity", report, page(report))
    print(dumped(report))


if __name__ == "__main__":
    main()

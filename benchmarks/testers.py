"""Do load testers tell the truth? Each against `tandem truth`, with the same load: 8 callers, answers of 32 tokens.

    python -m benchmarks.testers [--rounds 3] [--testers tandem-grpc ...] [--out out]

Testers are installed by pip, each into a folder of its own. The server sends a first token after 20 ms, or after 5 ms,
and one each 5 ms; figures are what a tester reports over what the server sent, less one, for time to first token, time
a token and latency. vLLM's package takes 6 GB. Writes testers.json.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.processes import ROOT
from benchmarks.harness.results import write
from benchmarks.peers.installing import environment, once, run
from tandem.measure.truth.findings import Truth, differences
from tandem.measure.truth.reports import read_report

CALLERS, REQUESTS, TOKENS = 8, 400, 32
LAWS = {"20 ms": 0.02, "5 ms": 0.005}
QUANTILES = ("p50", "p99")
LONGEST_SECONDS = 150
TANDEM = [sys.executable, "-m", "tandem.cli"]
_SETTING = f"{CALLERS} callers, {REQUESTS} requests of {TOKENS} tokens, one each 5 ms"
Command = Callable[[Path, Path], tuple[list[str], Path]]  # of (its folder, where to write) -> the command, its report


def tandem(flags: Sequence[str], folder: Path, out: Path) -> tuple[list[str], Path]:
    load = ["--concurrency", str(CALLERS), "--requests", str(REQUESTS), "--warm-up", "0"]
    workload = ["-w", f"text,tokens={TOKENS}", "--json", str(out / "report.json")]
    return [*TANDEM, "bench", "run", *workload, *load, *flags], out / "report.json"


def aiperf(folder: Path, out: Path) -> tuple[list[str], Path]:
    python = environment(folder / "aiperf", ["aiperf==0.13.0"])
    flags = [*_profile_flags(folder, "ignore_eos:true"), "--output-artifact-dir", str(out), "--ui-type", "none"]
    return [str(python.parent / "aiperf"), *flags], out / "profile_export_aiperf.json"


def genai_perf(folder: Path, out: Path) -> tuple[list[str], Path]:
    programs = environment(folder / "genai-perf", ["genai-perf==0.0.16"]).parent
    flags = [*_profile_flags(folder, f"max_tokens:{TOKENS}"), "--artifact-dir", str(out)]
    place = ["env", f"PATH={programs}:{os.environ['PATH']}"]  # of its perf_analyzer
    report = out / f"truth-openai-chat-concurrency{CALLERS}" / "profile_export_genai_perf.json"
    return [*place, "genai-perf", *flags], report


def _profile_flags(folder: Path, extra_input: str) -> list[str]:
    """Return what aiperf and genai-perf, its forerunner, have in common."""
    load = ["--concurrency", str(CALLERS), "--request-count", str(REQUESTS), "--osl", str(TOKENS), "--isl", "32"]
    served = ["-m", "truth", "--url", "{url}", "--endpoint-type", "chat", "--streaming"]
    return ["profile", *served, *load, "--tokenizer", str(tokenizer(folder)), "--extra-inputs", extra_input]


def guidellm(folder: Path, out: Path) -> tuple[list[str], Path]:
    python = environment(folder / "guidellm", ["guidellm==0.8.1"])
    given = {
        "backend": "kind=openai_http,target={url},model=truth",
        "profile": f"kind=concurrent,streams={CALLERS}",
        "constraint": f"kind=max_requests,count={REQUESTS}",
        "data": f"kind=synthetic_text,prompt_tokens=32,output_tokens={TOKENS}",
        "tokenizer": f"kind=hf_auto,model={tokenizer(folder)}",
        "output": f"kind=json,path={out / 'report.json'}",
    }
    flags = [word for name, value in given.items() for word in (f"--{name}", value)]
    return [str(python.parent / "guidellm"), "run", *flags, "--disable-console-interactive"], out / "report.json"


def vllm(folder: Path, out: Path) -> tuple[list[str], Path]:
    programs = environment(folder / "vllm", ["vllm==0.32.0"]).parent
    # Not needed, and neither loads beside a PyTorch without CUDA.
    run([programs / "pip", "uninstall", "-qy", "torchaudio", "torchcodec"], folder / "vllm/log")
    load = ["--max-concurrency", str(CALLERS), "--num-prompts", str(REQUESTS), "--ignore-eos", "--disable-tqdm"]
    prompts = ["--dataset-name", "random", "--random-input-len", "32", "--random-output-len", str(TOKENS)]
    served, report = ["--backend", "openai-chat", "--endpoint", "/v1/chat/completions"], out / "report.json"
    reported = ["--percentile-metrics", "ttft,tpot,itl,e2el", "--save-result", "--result-filename", str(report)]
    named = ["--base-url", "{url}", "--model", "truth", "--tokenizer", str(tokenizer(folder))]
    return [str(programs / "vllm"), "bench", "serve", *served, *named, *load, *prompts, *reported], report


TESTERS: dict[str, Command] = {
    "tandem-grpc": partial(tandem, ["--address", "{grpc}"]),
    "tandem-http": partial(tandem, ["--address", "{url}", "--api", "openai-chat"]),
    "aiperf": aiperf,
    "guidellm": guidellm,
    "genai-perf": genai_perf,
    "vllm": vllm,
}


def tokenizer(folder: Path) -> Path:
    """Return a folder with a tokenizer whose tokens are words, made once: no tester may fetch one."""
    made = folder / "tokenizer"

    def make(made: Path) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import PreTrainedTokenizerFast

        vocabulary = {word: number for number, word in enumerate(["[UNK]", *(f"w{place}" for place in range(30_000))])}
        words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106  no secret
        words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        saved: Any = PreTrainedTokenizerFast
        saved(tokenizer_object=words, unk_token="[UNK]", eos_token="[UNK]").save_pretrained(made)  # noqa: S106

    once(made, "words", make)
    return made


def measure(name: str, folder: Path, number: int) -> dict[str, float]:
    """Return a round's figures of a tester, by name. Raises CannotSetUp, and RuntimeError if it fails."""
    found: dict[str, float] = {}
    for law, first in LAWS.items():
        out = folder / "runs" / name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        command, report = TESTERS[name](folder, out)
        law_flags = ["--first", str(first), "--gap", "0.005", "--json", str(out / "truth.json")]
        words = [*TANDEM, "truth", "check", *law_flags, "--", *command]
        ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_SECONDS)
        if not report.exists():
            raise RuntimeError(f"{name} wrote no report: {ended.stdout[-500:]} {ended.stderr[-1500:]}")
        truth = Truth.model_validate(json.loads((out / "truth.json").read_text()))
        for each in differences(truth, read_report(report)):
            if each.quantile in QUANTILES:
                found[f"{law}: {each.figure} {each.quantile}, error %"] = 100 * each.error
        found[f"{law}: callers that arrived, mean"] = truth.concurrency
        found[f"{law}: requests that arrived"] = truth.num_requests
        if truth.cpu_seconds_per_request is not None:
            found[f"{law}: CPU a request, ms"] = 1e3 * truth.cpu_seconds_per_request
    return found


def main() -> None:
    flags = parser(__doc__, rounds=3, out="testers", has_peers=True)
    flags.add_argument("--testers", nargs="+", choices=TESTERS, default=list(TESTERS))
    options = flags.parse_args()
    figures = Figures()
    measures = {name: partial(measure, name, options.cache) for name in options.testers}
    figures.measure_rounds(options.rounds, measures)
    about = {"title": "Load testers against known times", "setting": _SETTING}
    write(options.out, "testers", figures.document("testers", options.rounds, about=about))


if __name__ == "__main__":
    main()

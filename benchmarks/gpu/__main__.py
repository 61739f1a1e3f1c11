"""The first hour on a GPU: ten minutes, no network, one page.

    python -m benchmarks.gpu [--rehearse] [--steps load graphs ...] [--card 0] [--out out]

Carries out the steps of benchmarks/gpu/plan.py, each in a process of its own and within its limit, so that one that
fails, crashes or hangs does not hide the rest. Writes gpu.json and gpu.md with the name of the card, its driver and the
versions, and what each step printed to gpu/STEP.log. `--rehearse` runs the same plan on the CPU, with small models and
graphs that only note what is captured and launched, and writes rehearsal.json and rehearsal.md. Ends with 1 if a step
failed or a bar was missed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.gpu.card import Card
from benchmarks.gpu.plan import STEPS, Step
from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.processes import ROOT
from benchmarks.harness.results import are_met, read, write

END_SECONDS = 10.0
REHEARSAL_TITLE = "Rehearsal on a CPU: nothing on this page ran on a GPU"


def carry_out(command: Sequence[str], limit_seconds: float, visible: str, log: Path) -> str:
    """Run a step; return why it did not end well, or an empty text. `visible`: the cards that it may see."""
    environment = {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": visible}
    with log.open("wb") as output:
        streams: dict[str, Any] = {"stdout": output, "stderr": output}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **streams)
        try:
            code = process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            return f"took longer than {limit_seconds:g} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the servers that a step has left
            process.wait()
    last = log.read_text(errors="replace").strip().splitlines()[-1:]
    return f"ended with {code}: {''.join(last)}" if code else ""


def measure(steps: Sequence[Step], card: Card | None, number: int, folder: Path) -> dict[str, Any]:
    """Carry the steps out; return the document of all."""
    figures, rows, kind = Figures(), {}, kind_of(card)
    figures.around["card"] = card.description if card else "no GPU"
    logs = folder / kind
    logs.mkdir(parents=True, exist_ok=True)
    for step in steps:
        print(f"{step.name}: {step.proves}", file=sys.stderr, flush=True)
        began, result = time.monotonic(), logs / f"{step.name}.json"
        result.unlink(missing_ok=True)
        words = ["-m", "benchmarks.gpu.step", step.name, str(result.resolve()), *([str(number)] if card else [])]
        why = carry_out(
            [sys.executable, *words], step.limit_seconds, str(number) if card else "", logs / f"{step.name}.log"
        )
        took = f"{time.monotonic() - began:.0f} s of {step.limit_seconds:g}"
        failures = [f"{step.name}: {why}"] if why else []
        if result.exists():
            failures += merge(figures, read(result))
        figures.failures += failures
        rows[f"step {step.name}"] = {
            "what it proves": step.proves,
            "ended": "; ".join(failures) or "well",
            "took": took,
        }
    # What a rehearsal finds is held against no bar.
    bars = [bar for step in steps for bar in step.bars] if card else []
    title = f"First hour on a GPU: {figures.around['card']}" if card else REHEARSAL_TITLE
    document = figures.document(kind, 1, bars=bars, about={"title": title})
    return {**document, "figures": {**rows, **document["figures"]}}


def kind_of(card: Card | None) -> str:
    """Return what the files of a run are named."""
    return "gpu" if card else "rehearsal"


def merge(figures: Figures, found: dict[str, Any]) -> list[str]:
    """Add what a step has found; return what failed within it."""
    for name, values in found["figures"].items():
        for who, value in values.items():
            figures.add(name, who, value.value)
    figures.left_out |= found["left_out"]
    figures.audited_runs.invalid += found["audits"]["invalid"]
    failures: list[str] = found["failures"]
    return failures


def main() -> None:
    names = [step.name for step in STEPS]
    flags = parser(__doc__, out="gpu")
    flags.add_argument("--rehearse", action="store_true", help="run the plan without a GPU")
    flags.add_argument("--steps", nargs="*", choices=names, default=names)
    flags.add_argument("--card", type=int, default=0, help="its number, in the order of the bus; default: 0")
    options = flags.parse_args()
    try:
        card = None if options.rehearse else Card(options.card)
    except OSError as error:
        raise SystemExit(f"no card {options.card} here ({error}); --rehearse runs the plan without one") from None
    document = measure([step for step in STEPS if step.name in options.steps], card, options.card, options.out)
    write(options.out, kind_of(card), document)
    if not are_met(document):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

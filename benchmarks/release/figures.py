"""Measures all figures of the pages again, one after another, and renders the pages from them.

    python -m benchmarks.release.figures [NAME ...]

Without names it measures those whose code has changed since their result was measured, so a run that was broken off
goes on where it stopped; with names it measures these. Results go to benchmarks/results. Takes hours on a machine that
has nothing else to do. Exit code 1: a command wrote no result, or ended with an error; a missed bar is one, too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.harness.processes import ROOT
from benchmarks.release import pages

TEXT = ("services/ar", "models/smollm2-135m-instruct")
IMAGES = ("services/gan", "services/common", "runtime", "models/fashion-gan")
SERVED = ("services", "runtime", "gateway/proxy")


@dataclass(frozen=True)
class Measurement:
    """`module` and its flags write the result. `code`: the folders that it is of."""

    module: str
    code: Sequence[str]
    flags: Sequence[str] = ()


MEASUREMENTS = {
    "pair": Measurement("release.pair", (*SERVED, "models")),
    "hop": Measurement("hop", ("gateway", "runtime"), ("--rounds", "5")),
    "parallel": Measurement("parallel", IMAGES, ("--rounds", "4")),
    "text_peers": Measurement("side_by_side", TEXT),
    "text_drafts": Measurement("drafts", TEXT),
    "text_steps": Measurement("text_steps", ("services/ar", "models/text-forward", "models/text-spread")),
    "text_perplexity": Measurement("perplexity", TEXT, ("--windows", "64")),
    "text_parity": Measurement("parity", TEXT),
    "testers": Measurement("testers", ("tandem/measure/generator", "tandem/measure/truth", "tandem/shared/native")),
    "growth": Measurement("growth", IMAGES),
    "replicas": Measurement("replicas", ("services/ar", "gateway/proxy")),
}
"""By the name of the result's file, in the order in which they are measured."""


def num_newer(name: str) -> int | None:
    """Return how many commits have changed a result's code since it was measured.

    None: there is no result, or it is of code that is in no commit before HEAD.
    """
    path = pages.RESULTS / f"{name}.json"
    commit = json.loads(path.read_text())["surroundings"]["commit"] if path.exists() else ""
    if not commit or _git("merge-base", "--is-ancestor", commit, "HEAD").returncode:
        return None
    return int(_git("rev-list", "--count", f"{commit}..HEAD", "--", *MEASUREMENTS[name].code).stdout)


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)


def measure(name: str) -> bool:
    """Run the command of a result, and return whether it wrote one and ended well."""
    chosen = MEASUREMENTS[name]
    command = [sys.executable, "-m", f"benchmarks.{chosen.module}", *chosen.flags]
    return subprocess.run([*command, "--out", str(pages.RESULTS)], cwd=ROOT).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], metavar="NAME", help=", ".join(MEASUREMENTS))
    chosen = parser.parse_args().names or [name for name in MEASUREMENTS if num_newer(name) != 0]
    failed = []
    for place, name in enumerate(chosen, start=1):
        print(f"{name} ({place} of {len(chosen)})", file=sys.stderr, flush=True)
        if not measure(name):
            failed.append(name)
    pages.write()
    if failed:
        raise SystemExit(f"failed, or missed a bar: {', '.join(failed)}")


if __name__ == "__main__":
    main()

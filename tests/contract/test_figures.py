"""Measured figures: rendered from results of a recent commit, and nowhere else."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from benchmarks.release import pages
from benchmarks.release.figures import MEASUREMENTS, num_newer
from tests.contract.pages import FENCE, GUIDES, ROOT

MOST_NEWER_COMMITS = 100
TEMPLATES = {ROOT / path.relative_to(pages.TEMPLATES).with_suffix(""): path for path in pages.TEMPLATES.rglob("*.j2")}
FIGURE = re.compile(
    r"(?<![\w.,-])[\d.,]*\d(?: (?:to|and) [\d.,]*\d| \([\d.,-]+\))? ?"
    r"(?:ms|µs|us|%|times|MiB|nats|core-minutes|(?:images|tokens|requests|messages)(?:/s| a second| per second)"
    r"|bits (?:a|per) token)(?!\w)"
    r"|\d\.\d+ ?(?:x|s|seconds|minutes|hours)\b|\bFID (?:of |is )?\d[\d.]*\d"
)
DECIMAL = re.compile(r"(?<![\w.])\d*\.\d{2,}(?![\w.])")
"""What no template holds, whatever its unit."""
RESULT_PAGES = {"containers.md", "faults.md"}
"""Written from a result of their own, which they name."""
LIMITS = {
    "README.md": {"3.11", "3.13"},
    "SECURITY.md": {"64 MiB", "512 MiB", "128 MiB", "256 MiB", "2 MiB", "8 MiB", "1 MiB"},
    "docs/gateway.md": {"10 %"},
    "docs/measuring.md": {"99 %", "15 %", "70 %", "60 %", "0.5 images/s"},
    "docs/models.md": {"2 %", "8.5 %"},
    "docs/operations.md": {"99.5 %", "99 %"},
    "docs/results.md": {"49%"},
    "docs/structured-output.md": {"256 MiB", "50 ms"},
    "models/fashion-gan/README.md": {"40 %"},
    "models/fashion-sar/README.md": {"1.5 times"},
}
"""What was not measured: limits, objectives, rules of a method, recipes, widths of pictures."""
EVERYWHERE = {"95 %", "4 MiB"}
"""The level of every interval, and gRPC's own limit."""


@pytest.fixture(scope="module")
def rendered() -> dict[Path, str]:
    return pages.render()


@pytest.mark.parametrize("page", TEMPLATES, ids=lambda page: page.name)
def test_the_page_is_what_its_template_renders(page: Path, rendered: dict[Path, str]) -> None:
    assert page.read_text() == rendered[page], "run `python -m benchmarks.release.pages`"


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_figures_stand_in_placeholders(page: Path) -> None:
    if page.name in RESULT_PAGES:
        return
    text = FENCE.sub("", TEMPLATES.get(page, page).read_text())
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|`[^`\n]*`", "", text, flags=re.DOTALL)
    found = {each.strip() for each in FIGURE.findall(text) + (DECIMAL.findall(text) if page in TEMPLATES else [])}
    assert sorted(found - EVERYWHERE - LIMITS.get(str(page.relative_to(ROOT)), set())) == []


@pytest.mark.parametrize("name", [path.stem for path in pages.RESULTS.glob("*.json")])
def test_results_name_a_commit_that_is_not_far_behind(name: str, rendered: dict[Path, str]) -> None:
    around = json.loads((pages.RESULTS / f"{name}.json").read_text())["surroundings"]
    page = rendered[ROOT / "docs" / "results.md"]
    assert all(part in page for part in (f"`{around['commit']}`", around["date"][:10], around["processor"]))
    if (
        subprocess.run(["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True).stdout
        != b"false\n"
    ):
        pytest.skip("the history is not here")
    newer = num_newer(name)
    assert newer is not None, f"no commit here has the code of this result: measure {name} again"
    assert newer <= MOST_NEWER_COMMITS, f"measure again: python -m benchmarks.release.figures {name}"


def test_every_result_can_be_measured_again() -> None:
    assert {path.stem for path in pages.RESULTS.glob("*.json")} <= MEASUREMENTS.keys()
    assert all((ROOT / folder).exists() for each in MEASUREMENTS.values() for folder in each.code)

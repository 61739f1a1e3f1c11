"""Steps in processes of their own: one that fails, crashes or hangs is told, and the page has the rest."""

import re
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu.plan import Step
from benchmarks.harness.figures import NOW, Bar, Figures
from benchmarks.harness.results import are_met, dump, page, read
from tests.waiting import wait_until

CHILD = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); "


def carry_out(code: str, folder: Path, limit_seconds: float = 60.0) -> tuple[str, str]:
    """Return what was wrong with a step of this code, and what it printed."""
    log = folder / "log"
    return gpu.carry_out([sys.executable, "-c", code], limit_seconds, "0", log), log.read_text()


@pytest.mark.parametrize(
    ("ending", "limit_seconds", "expected"),
    [
        ("", 60.0, ""),
        ("raise ValueError('the card burns')", 60.0, "ended with 1: ValueError: the card burns"),
        ("import os; os.abort()", 60.0, r"ended with -6: \d+"),
        ("import time; time.sleep(600)", 1.0, "took longer than 1 s"),
    ],
)
def test_what_a_step_has_left_ends_with_it_however_it_ends(ending, limit_seconds, expected, tmp_path):
    why, printed = carry_out(CHILD + ending, tmp_path, limit_seconds)
    assert re.fullmatch(expected, why)
    wait_until(lambda: not psutil.pid_exists(int(printed.split()[0])), "what the step has started ends")


def test_a_step_sees_the_card_that_was_asked_for_and_no_other(tmp_path):
    code = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['CUDA_DEVICE_ORDER'])"
    assert carry_out(code, tmp_path) == ("", "0 PCI_BUS_ID\n")


class FakeCard:
    description = "NVIDIA H100, driver 580"


STEPS = [
    Step("good", "that it runs", "text.graphs", 5.0, (Bar("shares", ("good.share",), 1.0, 1.0, "%", is_floor=True),)),
    Step("bad", "nothing", "text.graphs", 5.0, (Bar("others", ("bad.share",), 1.0, 1.0, "%", is_floor=True),)),
]


@pytest.fixture
def fake_steps(monkeypatch):
    """The second step breaks off after its first figure."""
    commands = []

    def carry_out(command, limit_seconds, visible, log):
        commands.append((*command[2:4], *command[5:], visible))
        name, result = command[3:5]
        figures = Figures()
        figures.add(f"{name}.share", NOW, 1.0)
        figures.left_out[f"{name} peer"] = "not installed"
        Path(result).write_text(dump(figures.document(name, 1)))
        return "ended with 1: a fault" if name == "bad" else ""

    monkeypatch.setattr(gpu, "carry_out", carry_out)
    return commands


@pytest.mark.parametrize("card", [FakeCard(), None], ids=["card", "rehearsal"])
def test_the_page_has_every_step_and_what_each_found(card, fake_steps, tmp_path):
    document = gpu.measure(STEPS, card, 3, tmp_path)
    own = ("3", "3") if card else ("",)
    assert fake_steps == [("benchmarks.gpu.step", name, *own) for name in ("good", "bad")]
    (tmp_path / "document.json").write_text(dump(document))
    text = page("gpu", read(tmp_path / "document.json"))
    title = "First hour on a GPU: NVIDIA H100, driver 580" if card else gpu.REHEARSAL_TITLE
    assert text.startswith(f"# {title}\n")
    assert "| step good | that it runs | well |" in text
    assert "| step bad | nothing | bad: ended with 1: a fault |" in text
    assert "- broken off: bad: ended with 1: a fault" in text
    assert "- left out: good peer: not installed" in text
    assert "| good.share | 1 |" in text
    assert ("## Bars" in text) == (card is not None)
    assert document["bench"] == ("gpu" if card else "rehearsal")
    assert not are_met(document)

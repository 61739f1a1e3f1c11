"""Child processes that end with all they started: at their limit, and when their parent gives up."""

import subprocess
import sys

import pytest

from tandem.shared.process_group import run_in_group
from tests.alive_pipe import alive_pipe

LIMIT_SECONDS = 60


@pytest.fixture
def pipe(tmp_path):
    with alive_pipe(tmp_path) as pipe:
        yield pipe


def test_code_and_output_of_one_that_ends():
    ended = run_in_group(["sh", "-c", "echo out; printf 'err \\377' >&2; exit 3"], LIMIT_SECONDS)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "out\n", "err \ufffd")


def test_one_that_cannot_be_started(tmp_path):
    with pytest.raises(FileNotFoundError):
        run_in_group([str(tmp_path / "no such program")], LIMIT_SECONDS)


def test_at_its_limit_the_whole_group_ends(pipe):
    with pytest.raises(subprocess.TimeoutExpired):
        run_in_group(["sh", "-c", f"{pipe.shell_words}; sleep 1000000 & wait"], 1)
    assert pipe.has_writers()
    assert not pipe.has_writers()


@pytest.mark.parametrize("leads_a_group", [True, False])
def test_children_are_killed_with_their_groups(pipe, leads_a_group):
    shell = f"{pipe.shell_words}; " + ("sleep 1000000 & wait" if leads_a_group else "exec sleep 1000000")
    script = (
        "import subprocess, sys; from tandem.shared.process_group import kill_children\n"
        f"child = subprocess.Popen(['sh', '-c', {shell!r}], start_new_session={leads_a_group})\n"
        "sys.stdin.read(1); kill_children(); print(child.wait())"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert pipe.has_writers()
        out, _ = parent.communicate("x", timeout=LIMIT_SECONDS)
        assert (parent.returncode, out) == (0, "-9\n")
        assert not pipe.has_writers()
    finally:
        parent.kill()
        parent.wait()

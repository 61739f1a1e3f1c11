"""Running a C++ compiler: what it makes, what it says when it fails, and one that never ends."""

import pytest

from tandem.shared.compiled.compiler import CompilerFailed, compile_sources
from tests.alive_pipe import alive_pipe
from tests.unit.services.ar.compute.native.tiny_kernel import write_compiler, write_source

LIMIT_SECONDS = 60.0


def compiled_by(tmp_path, *script, limit_seconds=LIMIT_SECONDS):
    compiler = write_compiler(tmp_path / "bin", *script) / "g++"
    source = write_source(tmp_path / "sources") / "step.cpp"
    compile_sources(str(compiler), [source], (), (), tmp_path / "made", "the kernel", limit_seconds)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            ("echo 'step.cpp: error: no such thing' >&2", "exit 1"),
            "does not compile the kernel: .*error: no such thing",
        ),
        (("exit 4",), "does not compile the kernel: exit code 4"),
        (("kill -SEGV $$",), "does not compile the kernel: signal 11"),
        (("printf '\\377 error \\376' >&2", "exit 1"), "does not compile the kernel: .*error"),
        (("exit 0",), "reports success, but wrote no file"),
    ],
)
def test_a_failure_says_why(tmp_path, script, message):
    with pytest.raises(CompilerFailed, match=message):
        compiled_by(tmp_path, *script)


def test_a_compiler_that_hangs_is_ended_with_what_it_started(tmp_path):
    with alive_pipe(tmp_path) as pipe:
        with pytest.raises(CompilerFailed, match="had not compiled the kernel in 1 s"):
            compiled_by(tmp_path, pipe.shell_words, "sleep 1000000 &", "wait", limit_seconds=1)
        assert pipe.has_writers()
        assert not pipe.has_writers()

"""Programs are compiled once, and a machine that cannot compile them says what it lacks."""

from pathlib import Path

import pytest

from benchmarks.harness import programs
from benchmarks.harness.programs import program
from tandem.shared.compiled.compiler import CompilerFailed, find_compiler
from tandem.shared.compiled.recipe import LibraryUnavailable


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for sources, with a compiler to compile them."""
    try:
        find_compiler()
    except CompilerFailed as error:
        pytest.skip(str(error))
    folder = tmp_path / "sources"
    folder.mkdir()
    monkeypatch.setattr(programs, "_SOURCES", folder)
    monkeypatch.setattr(programs, "_LIBRARIES", ())
    return folder


def test_a_program_is_made_once_and_again_when_its_source_changes(sources: Path, tmp_path: Path) -> None:
    (sources / "http1.cpp").write_text("int main() {}")
    first = program("http1", tmp_path / "kept")
    made = first.stat().st_mtime_ns
    assert program("http1", tmp_path / "kept").stat().st_mtime_ns == made
    (sources / "http1.cpp").write_text("int main() { return 1; }")
    assert program("http1", tmp_path / "kept") != first
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_missing_library_is_named_with_its_package(sources: Path, tmp_path: Path) -> None:
    (sources / "http1.cpp").write_text("#include <nghttp2/not_there.h>\nint main() {}")
    with pytest.raises(LibraryUnavailable, match="apt-get install libnghttp2-dev"):
        program("http1", tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_missing_compiler_is_named(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (sources / "http1.cpp").write_text("int main() {}")
    with pytest.raises(LibraryUnavailable, match="no C\\+\\+ compiler"):
        program("http1", tmp_path / "kept")


def test_nothing_is_run_from_a_folder_that_others_can_write(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    (sources / "http1.cpp").write_text("int main() {}")
    with pytest.raises(LibraryUnavailable, match="can be written by everybody"):
        program("http1", tmp_path / "shared")

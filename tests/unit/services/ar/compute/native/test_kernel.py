"""The kernel that a process gets: the kept one where it can be trusted and is whole, else a new one, else none."""

import os
import subprocess
import sys

import pytest

from services.ar.compute.native import build
from services.ar.compute.native.library import load, open_kernel
from tandem.shared.compiled import recipe
from tandem.shared.compiled.library import BadLibrary, open_library
from tandem.shared.compiled.recipe import LibraryUnavailable
from tests.unit.services.ar.compute.native.tiny_kernel import NAMES, take_compiler, take_source, write_compiler

OTHER_USER = 54321
LIMIT_SECONDS = 60
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    take_source(monkeypatch, tmp_path / "sources")
    return tmp_path / "kernels"


def runs(library) -> bool:
    return library.instruction_set == "tiny"


def test_a_kept_kernel_is_loaded_without_a_compiler(folder, tmp_path, monkeypatch):
    path = build.kernel_recipe().compile_into(folder)
    take_compiler(monkeypatch, tmp_path / "bin", "exit 1")
    assert runs(open_kernel(folder))
    assert build.kernel_recipe().find(folder) == [path]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_a_damaged_kernel_is_compiled_again(folder, caplog, share):
    path = build.kernel_recipe().compile_into(folder)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)] + (b"\0" if share == 1.0 else b""))
    assert runs(open_kernel(folder))
    assert f"the kernel is compiled again: {path}: its content is not what was compiled" in caplog.text
    assert build.kernel_recipe().find(folder) == [path]
    assert path.read_bytes() == content


def test_a_kernel_without_its_functions_is_compiled_again(folder, tmp_path, caplog, monkeypatch):
    take_source(monkeypatch, tmp_path / "less", NAMES[:1])
    lesser = build.kernel_recipe().compile_into(folder)
    monkeypatch.setattr(build, "_SOURCES", tmp_path / "sources")
    whole = build.kernel_recipe().compile_into(tmp_path / "elsewhere")
    # As if the compiler had made that of these sources.
    bad = folder / f"{whole.stem.rpartition('-')[0]}-{lesser.stem.rpartition('-')[2]}.so"
    lesser.rename(bad)
    assert runs(open_kernel(folder))
    assert "has no function tandem_open, tandem_run, tandem_sample, tandem_close" in caplog.text
    assert [path.name for path in build.kernel_recipe().find(folder)] == [whole.name]


def test_a_compiler_that_makes_no_library_is_no_kernel(folder, tmp_path, monkeypatch):
    take_compiler(monkeypatch, tmp_path / "bin", 'while [ "$1" != -o ]; do shift; done', 'echo text > "$2"')
    with pytest.raises(LibraryUnavailable, match="cannot be loaded"):
        open_kernel(folder)


@needs_root
def test_a_planted_kernel_is_not_loaded_but_replaced(folder, caplog):
    path = build.kernel_recipe().compile_into(folder)
    os.chown(path, OTHER_USER, OTHER_USER)
    assert runs(open_kernel(folder))
    assert f"{path}: belongs to user {OTHER_USER}" in caplog.text
    assert path.stat().st_uid == 0


@pytest.mark.parametrize("is_parent", [False, True])
def test_from_a_folder_that_others_can_write_nothing_is_taken(folder, tmp_path, caplog, monkeypatch, is_parent):
    """A kernel is there that would pass every other check; what runs is made anew, and nothing is kept."""
    build.kernel_recipe().compile_into(folder)
    opened = folder.parent if is_parent else folder
    opened.chmod(0o777)
    (tmp_path / "scratch").mkdir()
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    assert runs(open_kernel(folder))
    assert f"{opened} can be written by everybody: the kernel is neither taken from there nor kept" in caplog.text
    assert sorted(tmp_path.rglob("*")) == before
    take_compiler(monkeypatch, tmp_path / "bin", "echo 'error: none today' >&2", "exit 1")
    with pytest.raises(LibraryUnavailable, match="none today"):
        open_kernel(folder)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(LibraryUnavailable, match=r"no temporary folder to compile the kernel in: .*missing"):
        open_kernel(folder)


def test_a_folder_that_can_not_be_written_does_not_cost_the_kernel(tmp_path, folder, caplog, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(recipe, "_sweep", lambda path: refuse(path) if path == folder else None)
    assert runs(open_kernel(folder))
    assert "the kernel can't be kept: [Errno 13] Permission denied" in caplog.text


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nothing"])
def test_only_a_regular_file_is_opened(folder, kind):
    path = build.kernel_recipe().compile_into(folder)
    moved = path.rename(folder / "moved")
    if kind == "link":
        path.symlink_to(moved)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(BadLibrary, match=str(path)):
        open_library(path)


def test_of_processes_that_start_at_once_one_compiles(folder, tmp_path):
    calls = tmp_path / "calls"
    calls.mkdir()
    tools = write_compiler(tmp_path / "bin", f"touch {calls}/$$", 'PATH=${PATH#*:} exec g++ "$@"')
    script = (
        "import sys; from pathlib import Path; from services.ar.compute.native import build, library\n"
        "build._SOURCES = Path(sys.argv[1])\n"
        "print(library.open_kernel(Path(sys.argv[2])).instruction_set)"
    )
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-c", script, str(build._SOURCES), str(folder)]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert [each.communicate(timeout=LIMIT_SECONDS)[0] for each in both] == ["tiny\n", "tiny\n"]
    finally:
        for each in both:
            each.kill()
            each.wait()
    assert runs(load(build.kernel_recipe().find_or_compile(folder)))
    assert sorted(folder.glob("*.so")) == build.kernel_recipe().find(folder)
    assert len(list(calls.iterdir())) == 1

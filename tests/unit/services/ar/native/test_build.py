"""Compiling the kernel: once, kept, and a clear word where it can't be."""

import shutil
import subprocess

import pytest

from runtime.settings import cache_folder
from services.ar.native import build


def test_what_was_compiled_is_found_again(monkeypatch):
    path = build.kernel(cache_folder() / "kernels")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("compiled again"))
    assert build.kernel(path.parent) == path


def test_other_sources_are_another_kernel(tmp_path, monkeypatch):
    sources = shutil.copytree(build._SOURCES, tmp_path / "sources", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(build, "_compile", lambda flags, path: None)
    before = build.kernel(tmp_path)
    monkeypatch.setattr(build, "_SOURCES", sources)
    assert build.kernel(tmp_path) == before
    (sources / "step.cpp").write_text("// changed")
    assert build.kernel(tmp_path) != before


def test_without_a_compiler(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(build.KernelUnavailable, match=r"no C\+\+ compiler \(g\+\+, clang\+\+, c\+\+\)"):
        build.kernel(tmp_path)


def test_a_compiler_that_fails_leaves_nothing(tmp_path, monkeypatch):
    broken = tmp_path / "sources"
    broken.mkdir()
    (broken / "step.cpp").write_text("int main() { return nothing; }")
    monkeypatch.setattr(build, "_SOURCES", broken)
    with pytest.raises(build.KernelUnavailable, match=r"does not compile the kernel: .*nothing"):
        build.kernel(tmp_path / "kernels", "generic")
    assert list((tmp_path / "kernels").iterdir()) == []


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(build.KernelUnavailable, match="the kernel can't be kept"):
        build.kernel(tmp_path / "file")


def test_the_best_level_is_one_that_the_processor_has():
    assert build.best_level() in build.LEVELS

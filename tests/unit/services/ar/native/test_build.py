"""Compiling the kernel: once, kept, and a clear word where it can't be."""

import shutil
import subprocess

import pytest

from services.ar.native import build


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path))
    return tmp_path / "kernels"


def test_what_was_compiled_is_found_again(monkeypatch):
    path = build.kernel()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("compiled again"))
    assert build.kernel() == path


def test_other_sources_are_another_kernel(cache, tmp_path, monkeypatch):
    sources = shutil.copytree(build._SOURCES, tmp_path / "sources", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(build, "_compile", lambda flags, path: None)
    before = build.kernel()
    monkeypatch.setattr(build, "_SOURCES", sources)
    assert build.kernel() == before
    (sources / "step.cpp").write_text("// changed")
    assert build.kernel() != before


def test_without_a_compiler(cache, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(build.KernelUnavailable, match=r"no C\+\+ compiler \(g\+\+, clang\+\+, c\+\+\)"):
        build.kernel()


def test_a_compiler_that_fails_leaves_nothing(cache, tmp_path, monkeypatch):
    broken = tmp_path / "sources"
    broken.mkdir()
    (broken / "step.cpp").write_text("int main() { return nothing; }")
    monkeypatch.setattr(build, "_SOURCES", broken)
    with pytest.raises(build.KernelUnavailable, match=r"does not compile the kernel: .*nothing"):
        build.kernel("generic")
    assert list(cache.iterdir()) == []


def test_a_cache_that_is_no_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "file"))
    with pytest.raises(build.KernelUnavailable, match="the kernel can't be kept"):
        build.kernel()


def test_the_best_level_is_one_that_the_processor_has():
    assert build.best_level() in build.LEVELS

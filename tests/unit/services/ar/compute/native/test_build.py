"""Compiling the kernel: once, kept, and a clear word where it can't be."""

import hashlib
import os
import shutil
import stat
from dataclasses import replace

import pytest

from services.ar.compute.native import build
from tandem.shared.compiled.compiler import LIMIT_SECONDS
from tandem.shared.compiled.recipe import CannotKeep, LibraryUnavailable
from tests.unit.services.ar.compute.native.tiny_kernel import take_source


def test_the_name_tells_the_content_and_nobody_else_may_write(tmp_path, monkeypatch):
    take_source(monkeypatch, tmp_path / "sources")
    umask = os.umask(0)
    try:
        path = build.kernel_recipe().find_or_compile(tmp_path / "new" / "kernels")
    finally:
        os.umask(umask)
    assert path.stem.endswith(f"-{hashlib.sha256(path.read_bytes()).hexdigest()}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in list(path.parents)[:2]] == [0o700, 0o700]
    assert list(path.parent.iterdir()) == [path]


def test_another_shared_header_is_another_library(tmp_path, monkeypatch):
    take_source(monkeypatch, tmp_path / "sources")
    header = tmp_path / "shared" / "shared.h"
    header.parent.mkdir()
    header.write_text("// first")
    recipe = replace(build.kernel_recipe(), shared=header.parent)
    before = recipe.find_or_compile(tmp_path / "kernels")
    assert recipe.find(before.parent) == [before]
    header.write_text("// second")
    assert recipe.find(before.parent) == []


def test_without_a_compiler_no_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(LibraryUnavailable, match=r"no C\+\+ compiler \(g\+\+, clang\+\+, c\+\+\)"):
        build.kernel_recipe().find_or_compile(tmp_path / "kernels")
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_fails_leaves_nothing(tmp_path, monkeypatch):
    broken = tmp_path / "sources"
    broken.mkdir()
    (broken / "step.cpp").write_text("int main() { return nothing; }")
    monkeypatch.setattr(build, "_SOURCES", broken)
    with pytest.raises(LibraryUnavailable, match=r"does not compile the kernel: .*nothing"):
        build.kernel_recipe("generic").find_or_compile(tmp_path / "kernels")
    assert list((tmp_path / "kernels").iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_another_is_making_is_not(tmp_path, monkeypatch):
    take_source(monkeypatch, tmp_path / "sources")
    left, busy = tmp_path / "kernels" / "building-left", tmp_path / "kernels" / "building-busy"
    for scratch in (left, busy):
        scratch.mkdir(parents=True)
        (scratch / "step.so").write_text("half")
    long_ago = left.stat().st_mtime - 2 * LIMIT_SECONDS - 60
    os.utime(left, (long_ago, long_ago))
    build.kernel_recipe().find_or_compile(tmp_path / "kernels")
    assert (left.exists(), busy.exists()) == (False, True)


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotKeep, match="the kernel can't be kept"):
        build.kernel_recipe().find_or_compile(tmp_path / "file")


@pytest.mark.parametrize(
    ("machine", "system", "features", "level"),
    [
        ("x86_64", "Linux", "fma f16c avx2 avx512f avx512bw avx512dq avx512vl avx512_vnni", "avx512-vnni"),
        ("x86_64", "Linux", "fma f16c avx2 avx512f avx512bw avx512dq avx512vl", "avx2"),
        ("x86_64", "Linux", "fma f16c avx2 avx_vnni", "avx-vnni"),  # as in Intel's processors for laptops
        ("x86_64", "Linux", "sse2 asimddp", "generic"),
        ("aarch64", "Linux", "fp asimd aes asimddp", "neon-dotprod"),
        ("aarch64", "Linux", "fp asimd aes", "generic"),  # before ARMv8.2, as in a Raspberry Pi 4
        ("riscv64", "Linux", "rv64imafdcv", "generic"),
        ("arm64", "Darwin", None, "neon-dotprod"),
        ("x86_64", "Darwin", None, "generic"),
        ("aarch64", "Linux", None, "generic"),
    ],
)
def test_the_best_level_of_each_architecture(tmp_path, machine, system, features, level):
    cpu_info = tmp_path / "cpuinfo"
    if features is not None:
        cpu_info.write_text(f"processor\t: 0\nFeatures\t: {features}\n")
    assert build.usable_levels(machine, system, cpu_info)[0] == level

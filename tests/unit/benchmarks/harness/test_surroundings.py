from pathlib import Path

from benchmarks.harness.surroundings import instructions, without_places


def test_paths_do_not_tell_where_things_are_kept():
    assert (
        without_places(f"{Path.cwd()}/.venv/bin/python -m x {Path.home()}/.cache") == "./.venv/bin/python -m x ~/.cache"
    )


def test_instructions_of_x86_and_arm():
    assert instructions("processor : 0\nflags\t\t: fpu avx2 avx512_vnni xsave\n") == ["avx2", "avx512_vnni"]
    assert instructions("processor : 0\nFeatures\t: fp asimd asimddp\n") == ["asimd", "asimddp"]
    assert instructions("") == []

"""A machine has a name by what it computes with, is idle or not, and a fingerprint tells causes apart."""

import pytest

from services.common import machine
from services.common.machine import fingerprint, is_idle, this_machine

CAUSES = {"model": "ab", "threads": 1, "instructions": ("avx2",)}


def test_it_is_the_same_in_every_process():
    assert fingerprint("openvino", "bfloat16", CAUSES) == "openvino-bfloat16-a25ac322803c"
    assert fingerprint("openvino", "bfloat16", dict(reversed(CAUSES.items()))) == "openvino-bfloat16-a25ac322803c"


def test_machine_is_read_from_the_kernel_s_words(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text(
        "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Xeon\n"
        "flags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16\n\nprocessor\t: 1\nmodel\t\t: 7\n"
    )
    found = this_machine(file)
    assert found.processor == "GenuineIntel 6 143 Xeon"
    assert found.instructions == ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    assert found.instruction_set == "amx_bf16"
    assert "numpy" in dict(found.libraries)


def test_instructions_of_arm(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd asimddp\n")
    assert this_machine(tmp_path / "cpuinfo").instructions == ("asimd",)


def test_a_machine_that_tells_nothing_has_a_name_all_the_same(tmp_path):
    assert this_machine(tmp_path / "nothing").instruction_set


@pytest.mark.parametrize(
    ("busy_ticks", "idle_ticks", "expected"), [(0, 100, True), (20, 80, True), (21, 79, False), (0, 0, True)]
)
def test_a_machine_whose_processors_do_nearly_nothing_is_idle(tmp_path, monkeypatch, busy_ticks, idle_ticks, expected):
    stat = tmp_path / "stat"

    def write(busy: int, free: int) -> None:
        stat.write_text(f"cpu  {busy} 5 0 {free} 7 0 0 0 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n")

    write(1_000, 10_000)
    monkeypatch.setattr(machine.time, "sleep", lambda _: write(1_000 + busy_ticks, 10_000 + idle_ticks))
    assert is_idle(stat) is expected


def test_where_nothing_says_so_a_machine_is_taken_for_idle(tmp_path):
    assert is_idle(tmp_path / "none")

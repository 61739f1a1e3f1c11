"""Fingerprints are short, stable and differ where a cause does."""

from services.common.fingerprint import fingerprint
from services.common.machine import this_machine

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


def test_a_machine_that_tells_nothing_has_a_name_all_the_same(tmp_path):
    assert this_machine(tmp_path / "nothing").instruction_set

"""Hundreds of damaged model files, in a process with limits: each loads and computes a step, or is refused in words."""

from pathlib import Path

import pytest

from services.ar.compute.native.library import open_kernel
from tandem.shared.cache_folder import cache_folder
from tests.model_fuzz import GGUF, HUGGINGFACE
from tests.model_fuzz.bases import write_bases
from tests.model_fuzz.driver import QUICK_COUNT, fuzz


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    open_kernel(cache_folder() / "kernels")  # compiled now, so that no child has to
    folder = tmp_path_factory.mktemp("bases")
    write_bases(folder)
    return folder


@pytest.mark.parametrize("format_", [GGUF, HUGGINGFACE])
def test_a_damaged_model_loads_or_is_refused_in_words(bases: Path, format_: str) -> None:
    report = fuzz(bases, format_, QUICK_COUNT)
    assert not report.failures, "\n".join(report.failures)
    assert report.num_loaded + report.num_refused == QUICK_COUNT
    assert min(report.num_loaded, report.num_refused) > QUICK_COUNT / 20, "the mutations are too harmless, or too rough"

"""Which ways there are to run a model: what the wish leaves open of what this machine has."""

import pytest

from services.common.runtimes import openvino_session
from services.common.runtimes.configuration import Wish
from services.common.runtimes.onnx_session import ProviderError
from services.common.runtimes.ways import Forms, first_candidates, other_divisions, runtimes_and_precisions
from tests.unit.services.common.runtimes.graphs import generator_model, saved


def test_what_is_not_to_be_had_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(openvino_session, "is_installed", lambda: False)
    for wish, reason in (
        ({"runtime": "openvino"}, r"runtime 'openvino'.* where there is onnxruntime in float32"),
        ({"precision": "bfloat16"}, "precision 'bfloat16'"),
        ({"precision": "int8"}, "precision 'int8': not to be had here, where there is onnxruntime"),
    ):
        with pytest.raises(ProviderError, match=reason):
            runtimes_and_precisions(Wish(max_batch_size=8, **wish))


@pytest.mark.parametrize(
    ("cores", "threads", "first", "divisions"),
    [
        (1, 0, (1, 1), []),
        (2, 0, (2, 1), [(1, 2)]),
        (8, 0, (8, 1), [(4, 2), (2, 4), (1, 8)]),
        (6, 0, (6, 1), [(3, 2)]),
        (8, 2, (4, 2), []),
    ],
)
def test_divisions_use_all_cores_and_what_is_fixed_is_not_divided(tmp_path, cores, threads, first, divisions):
    forms = Forms(saved(generator_model(), tmp_path / "generator.onnx"))
    wish = Wish(max_batch_size=8, runtime="onnxruntime", threads_per_instance=threads)
    (best,) = first_candidates(wish, cores, forms)
    found = [(way.num_instances, way.threads_per_instance) for way in (best, *other_divisions(wish, best, cores))]
    assert found == [first, *divisions]

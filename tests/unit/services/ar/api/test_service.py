"""Which model a request is for."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from runtime.model_worker import ModelWorker
from services.ar.api.service import ArServicer
from services.ar.metrics import ArMetrics
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import NotFound, Unavailable


def model_for(models: str, name: str, kind: str | None, in_steps: bool = False) -> str:
    """Return the one that is chosen of models that are called "text...", "image..." or, with steps, "image-sar"."""
    worker = ModelWorker(Path("none"), [], None)
    worker._models = {
        each: SimpleNamespace(
            name=each, description=ar_pb2.Model(modality=each.partition("-")[0]), takes_steps=each == "image-sar"
        )
        for each in models.split()
    }
    return ArServicer(worker, ArMetrics(CollectorRegistry())).model_for(name, kind, in_steps).name


def test_without_a_name_the_content_tells_and_of_several_image_models_the_steps():
    for models, kind, expected in (
        *(("text image", kind, "text") for kind in ("text", "chat", "texts")),
        *(("text image", kind, "image") for kind in ("class_label", "images")),
        ("text", "tokens", "text"),
        ("text", "class_label", "text"),  # it will say that it makes text
        ("image", None, "image"),
        ("text text-2 image", "images", "image"),
        ("text image image-sar", "class_label", "image"),
    ):
        assert model_for(models, "", kind) == expected
    assert model_for("text image image-sar", "", "class_label", in_steps=True) == "image-sar"
    assert model_for("text image", "text", "class_label") == "text", "a name counts before the content"


def test_where_none_is_called_so_or_several_would_do_the_names_are_told():
    for models, name, kind in (
        ("text image", "", "tokens"),
        ("text image", "", None),
        ("text text-2 image", "", "text"),
        ("text text-2", "", "images"),
        ("text image", "nope", "text"),
    ):
        with pytest.raises(NotFound, match=r"name one of: |there are: "):
            model_for(models, name, kind)
    with pytest.raises(Unavailable):
        model_for("", "", "text")

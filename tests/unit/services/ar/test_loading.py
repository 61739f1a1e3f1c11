from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from services.ar.loading import ArWorker
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import NotFound, Unavailable

TEXT, IMAGE = ("words", "text"), ("pictures", "image")


def worker(*models: tuple[str, str], stepped: str = "") -> ArWorker:
    """Return a worker with models of these names and modalities, as if they had been loaded."""
    worker = ArWorker(ArSettings(models_dir=Path("none"), models=["none"]), ArMetrics(CollectorRegistry()))
    worker._models = {
        name: SimpleNamespace(
            name=name, description=ar_pb2.Model(name=name, modality=modality), takes_steps=name == stepped
        )
        for name, modality in models
    }
    return worker


@pytest.mark.parametrize(
    ("models", "kind", "expected"),
    [
        ((TEXT, IMAGE), "text", "words"),
        ((TEXT, IMAGE), "chat", "words"),
        ((TEXT, IMAGE), "texts", "words"),
        ((TEXT, IMAGE), "class_label", "pictures"),
        ((TEXT, IMAGE), "images", "pictures"),
        ((TEXT,), "tokens", "words"),
        ((TEXT,), "class_label", "words"),  # it will say that it makes text
        ((IMAGE,), None, "pictures"),
        ((TEXT, ("other", "text"), IMAGE), "images", "pictures"),
    ],
)
def test_without_a_name_the_content_tells(models, kind, expected):
    assert worker(*models).get_for("", kind).name == expected


@pytest.mark.parametrize(
    ("models", "kind"),
    [
        ((TEXT, IMAGE), "tokens"),
        ((TEXT, IMAGE), None),
        ((TEXT, ("other", "text"), IMAGE), "text"),
        ((TEXT, ("other", "text")), "images"),
    ],
)
def test_where_several_would_do_a_name_is_needed(models, kind):
    with pytest.raises(NotFound, match="name one of: "):
        worker(*models).get_for("", kind)


@pytest.mark.parametrize(("in_steps", "expected"), [(False, "pictures"), (True, "stepped")])
def test_of_several_image_models_steps_tell(in_steps, expected):
    loaded = worker(TEXT, IMAGE, ("stepped", "image"), stepped="stepped")
    assert loaded.get_for("", "class_label", in_steps).name == expected


def test_a_name_counts_before_the_content():
    assert worker(TEXT, IMAGE).get_for("words", "class_label").name == "words"
    with pytest.raises(NotFound):
        worker(TEXT, IMAGE).get_for("nope", "text")
    with pytest.raises(Unavailable):
        worker().get_for("", "text")

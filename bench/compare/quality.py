"""How good what was served in a comparison is: as `tandem models evaluate` measures it, of the images of this run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.compare.album import Album
from bench.compare.document import Judgement, Quality, QualityFigures
from bench.compare.observer import Observer
from bench.compare.ways import Pair
from bench.quality import yardstick
from bench.quality.gates import GATED_NUM_IMAGES
from bench.quality.judge import Judge, judge_model, weights_of
from bench.quality.protocol import class_names
from bench.quality.reference import MIN_PER_CLASS, Reference, Split, fashion_mnist, from_file
from runtime.errors import InvalidArgument


@dataclass(frozen=True, eq=False)
class Assessor:
    """A judge and the real images; made before anything is measured, so that what is missing is said at once."""

    judge: Judge
    judge_name: str
    judge_sha256: str
    reference: Reference

    def assess(
        self, albums: Mapping[str, Album], most_images: int, observer: Observer
    ) -> tuple[dict[str, Quality], Judgement]:
        """Return the quality by paradigm, of as many images of each model and class; empty if there are too few."""
        num_classes = self.reference.num_classes
        per_class = min(most_images // num_classes, *(album.num_per_class for album in albums.values()))
        if per_class < MIN_PER_CLASS:
            note = f"not measured: it takes {MIN_PER_CLASS} images of each class, and {per_class} were served"
            return {}, self._judgement(note)
        observer.judging("the yardstick")
        measure = yardstick.Yardstick(self.judge, self.reference)
        observer.judging("real images")
        floor = _figures(measure.floor(per_class))
        found = {}
        for paradigm, album in albums.items():
            observer.judging(f"the {paradigm} model's images")
            found[paradigm] = Quality(model=_figures(quality_of(album, per_class, measure)), floor=floor)
        return found, self._judgement(_note(per_class * num_classes, floor))

    def _judgement(self, note: str) -> Judgement:
        return Judgement(
            note=note,
            data_set=self.reference.name,
            num_test_images=len(self.reference.test.labels),
            judge=self.judge_name,
            judge_sha256=self.judge_sha256,
        )


def assessor(judge_folder: Path, reference_file: Path | None, pair: Pair) -> Assessor:
    """Return an assessor of this pair's images; without a file they are measured against Fashion-MNIST.

    Raises InvalidArgument, ModelError, NotFound or OSError if the judge or the real images are not there, or are of
    other images than the models draw.
    """
    model = judge_model(judge_folder)
    weights, digest = weights_of(model)
    judge = Judge(weights)
    reference = fashion_mnist() if reference_file is None else from_file(reference_file)
    drawn, size = tuple(pair.sequential.image_shape), (*judge.image_size, 1)
    if drawn != size:
        raise InvalidArgument("judge", model.name, f"a judge of {list(drawn)} images; it takes {list(size)}")
    if pair.sequential.num_classes != reference.num_classes:
        accepted = f"models of {reference.num_classes} classes, as {reference.name} has"
        raise InvalidArgument("number of classes", pair.sequential.num_classes, accepted)
    names = class_names(model, reference)
    if names != pair.class_names:
        raise InvalidArgument("judge", f"{model.name} of {', '.join(names)}", f"one of {', '.join(pair.class_names)}")
    return Assessor(judge, model.name, digest, reference)


def quality_of(album: Album, per_class: int, measure: yardstick.Yardstick) -> yardstick.Quality:
    """Return the figures of the first images of each class."""
    images, labels = album.balanced(per_class)
    split = Split(images[..., 0], labels)
    return measure.measure(split, measure.nearest_training_images(split))


def _figures(quality: yardstick.Quality) -> QualityFigures:
    figures = asdict(quality)
    return QualityFigures(**{name: figures[name] for name in QualityFigures.model_fields})


def _note(num_images: int, floor: QualityFigures) -> str:
    if num_images >= GATED_NUM_IMAGES:
        return f"of {num_images:,} images of each model, as many of each class"
    return (
        f"of {num_images:,} images of each model, as many of each class. FID of so few is biased upwards, as it is for"
        f" real images: as many of those have {floor.fid:.2f}; compare at equal numbers only"
    )

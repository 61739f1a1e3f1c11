"""How good what was served in a comparison is: as `tandem models evaluate` measures it, of the images of this run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tandem.measure.quality.judge import Judge, open_judge
from tandem.measure.quality.protocol import class_names
from tandem.measure.quality.reconstruction import reconstruct
from tandem.measure.quality.reference import MIN_PER_CLASS, Reference, Split, reference_of, without_grey_axis
from tandem.measure.quality.yardstick import Yardstick
from tandem.measure.results.comparison import JudgedImages, Judgement
from tandem.measure.results.quality import Views
from tandem.measure.studies.comparison.callers import Album
from tandem.measure.studies.comparison.modes import Pair
from tandem.shared.errors import InvalidArgument, NotFound
from tandem.shared.models import ModelRepository


@dataclass(frozen=True, eq=False)
class Assessor:
    """A judge and the real images; made before anything is measured, so that what is missing is said at once."""

    judge: Judge
    judge_name: str
    judge_sha256: str
    reference: Reference
    repository: ModelRepository

    def assess(
        self, albums: Mapping[str, Album], models: Mapping[str, str], most_images: int, on_stage: Callable[[str], None]
    ) -> tuple[dict[str, JudgedImages], Judgement]:
        """Return the quality by drawer, of as many images of each and each class; empty if there are too few.

        `models`: the name of each drawer's model. The repository beside the judge has its tokenizer, if it has one.
        """
        num_classes = self.reference.num_classes
        per_class = min(most_images // num_classes, *(album.num_per_class for album in albums.values()))
        if per_class < MIN_PER_CLASS:
            reason = f"it takes {MIN_PER_CLASS} images of each class, and {per_class} were served"
            return {}, self._judgement(reason)
        on_stage("quality: the yardstick")
        measure = Yardstick(self.judge, self.reference)
        on_stage("quality: real images")
        floor = measure.floor(per_class)
        lost = {name: self._tokenizer_views(name, floor.images, measure) for name in {*models.values()}}
        quality = {}
        for drawer, album in albums.items():
            on_stage(f"quality: images: {drawer}")
            drawn, labels = album.balance(per_class)
            images = Split(without_grey_axis(drawn), labels)
            tokenizer = lost.get(models.get(drawer, ""))
            quality[drawer] = measure.judge(images, measure.nearest_training_images(images), floor, tokenizer)
        return quality, self._judgement("")

    def _tokenizer_views(self, name: str, real: Split, measure: Yardstick) -> Views | None:
        """Return the views of real images that only went through a model's tokenizer; None if it is not here."""
        try:
            model = self.repository.get(name)
        except NotFound:  # it is served from elsewhere
            return None
        restored = reconstruct(model, real.images)
        return None if restored is None else measure.views(restored)

    def _judgement(self, reason: str) -> Judgement:
        return Judgement(
            reason=reason,
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
    judge, model, digest = open_judge(judge_folder)
    reference = reference_of(reference_file)
    drawn, size = tuple(pair.sequential.image_shape), judge.image_shape
    if drawn != size:
        raise InvalidArgument("judge", model.name, f"a judge of {list(drawn)} images; it takes {list(size)}")
    if pair.sequential.num_classes != reference.num_classes:
        accepted = f"models of {reference.num_classes} classes, as {reference.name} has"
        raise InvalidArgument("number of classes", pair.sequential.num_classes, accepted)
    names = class_names(model, reference)
    if names != pair.class_names:
        raise InvalidArgument("judge", f"{model.name} of {', '.join(names)}", f"one of {', '.join(pair.class_names)}")
    return Assessor(judge, model.name, digest, reference, ModelRepository(judge_folder.parent))

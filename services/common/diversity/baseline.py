"""What a released image model's own images look like, class by class: the yardstick of the diversity watch.

Written by `python -m training.release.diversity_baseline` as diversity.json into the model's folder. Knows nothing of
how features are made or of what is done with the figures.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelError
from tandem.shared.validation_errors import describe_errors

Kind = Literal["discriminator", "pixels"]

ALL = "all"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ClassBaseline(_Table):
    """What the features of one class's images have."""

    name: str
    """The class; "all" for a model without classes."""
    variance: float = Field(gt=0)
    """Total variance: the sum over the features."""
    distance: float = Field(gt=0)
    """The distance that one in fifty pairs of images falls short of."""


class Yardstick(_Table):
    """What windows of images are held against."""

    alarm_variance_ratio: float = Field(gt=0, lt=1)
    """A window that varies less than so many times the baseline is poor."""
    alarm_nearest_ratio: float = Field(gt=0, lt=1)
    """A window whose closest pair of a class is closer than so many times the class's distance is poor."""
    classes: tuple[ClassBaseline, ...] = Field(min_length=1)
    """One entry a class, in the order of the labels."""


class TruncatedYardstick(Yardstick):
    """That of images drawn from latents that are cut off at +-`truncation`. Images whose latents are cut off further
    out, up to the next yardstick's, are held against it as well; its limits have room for them.
    """

    truncation: float = Field(gt=0)


class DiversityBaseline(Yardstick):
    """A diversity.json."""

    features: Kind
    """What was measured: what the model's discriminator says of an image, or its pixels, see `pixel_features`."""
    measured_for: dict[str, str]
    """SHA-256 by file name of the weights that the figures belong to."""
    num_images: int
    """Images of each class that were measured."""
    seed: int
    """Seed that they were drawn from."""
    truncated: tuple[TruncatedYardstick, ...] = ()
    """By ascending truncation; none of a model that knows no truncation."""

    def yardstick_of(self, truncation: float | None) -> Yardstick | None:
        """Return what images drawn with this truncation are held against; None if they are narrower than all that was
        measured.
        """
        if truncation is None:
            return self
        return next((each for each in reversed(self.truncated) if each.truncation <= truncation), None)

    def changed_files(self, folder: Path) -> list[str]:
        """Return the names of the files in `folder` that are not those that were measured."""
        return [file for file, digest in self.measured_for.items() if not _is(folder / file, digest)]


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest


def load_baseline(path: Path, class_names: tuple[str, ...]) -> DiversityBaseline:
    """Read a diversity.json. Raises ModelError if it is none, or not one of these classes."""
    try:
        baseline = DiversityBaseline.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ModelError(f"{path}: {describe_errors(error)}") from None
    wanted = list(class_names or (ALL,))
    for yardstick in (baseline, *baseline.truncated):
        found = [each.name for each in yardstick.classes]
        if found != wanted:
            raise ModelError(f"{path}: expected the classes {', '.join(wanted)}, found {', '.join(found)}")
    return baseline

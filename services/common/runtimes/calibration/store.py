"""What a calibration found, and the file in which it is kept: one a model, machine and wish."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from services.common.machine import Machine
from services.common.runtimes.configuration import Configuration, Wish
from services.common.whole_file import write_whole

MIN_CORE_SHARE = 0.7
"""With less, other programs may have decided what seemed the fastest. Some is always lost between passes."""


class Trial(BaseModel):
    """What came of one configuration."""

    model_config = ConfigDict(frozen=True)

    configuration: Configuration
    samples_per_second: dict[int, float] = {}
    """Of all instances together, by batch size; see the module for how it is measured."""
    rms_difference: float = 0.0
    """From the reference, as a share of the range of its values."""
    largest_difference: float = 0.0
    rejected: str = ""
    """Why it may not be used; empty if it may."""

    @property
    def score(self) -> float:
        """The geometric mean of its speeds; 0 if it may not be used."""
        if self.rejected or not self.samples_per_second:
            return 0.0
        return math.exp(math.fsum(map(math.log, self.samples_per_second.values())) / len(self.samples_per_second))


class Calibration(BaseModel):
    """What was chosen, and from what."""

    model_config = ConfigDict(frozen=True)

    configuration: Configuration
    trials: list[Trial]
    seconds: float
    """How long it took to find out."""
    core_share: float
    """How much of a core each thread had, 0 to about 1, as the median of all timed runs of one thread an instance; 1 if
    there were none."""

    @property
    def disturbance(self) -> str:
        """That it was made on a busy machine, in words; empty if it was not."""
        had = f"calibrated while it had only {self.core_share:.0%} of the cores"
        return had if self.core_share < MIN_CORE_SHARE else ""

    @property
    def chosen_trial(self) -> Trial | None:
        return next((each for each in self.trials if each.configuration.name == self.configuration.name), None)


logger = logging.getLogger(__name__)

FORMAT = 4
"""To be raised when calibrations that were made before are no longer good."""


class CalibrationStore:
    """The folder with the calibrations."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: str, machine: Machine, wish: Wish, int8_digest: str = "") -> Path:
        """Return where the calibration of a model with that SHA-256 is kept, there or not.

        `int8_digest` is that of the model in int8; empty if there is none.
        """
        name = _short(digest), _short(_text(FORMAT, asdict(machine))), _short(_text(wish.model_dump(), int8_digest))
        return self._folder / f"{'-'.join(name)}.json"

    def of_model(self, digest: str, machine: Machine) -> dict[Path, Calibration]:
        """Return the calibrations of a model that were made on this machine, whatever was wished, and their files."""
        pattern = f"{_short(digest)}-{_short(_text(FORMAT, asdict(machine)))}-*.json"
        found = {path: self.load(path) for path in sorted(self._folder.glob(pattern))}
        return {path: each for path, each in found.items() if each is not None}

    def load(self, path: Path) -> Calibration | None:
        """Return what was stored there, or None if there is nothing that can be used."""
        try:
            return Calibration.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            logger.warning("%s: not a usable calibration, so it is made anew: %s", path, str(error).splitlines()[0])
            return None

    def save(self, path: Path, calibration: Calibration) -> None:
        """Store a calibration, whole or not at all; without a cache that can be written each start takes longer."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, calibration.model_dump_json(indent=1))
        except OSError as error:
            logger.warning("the calibration cannot be kept, so each start makes one: %s", error)


def _text(*values: object) -> str:
    return json.dumps(values, sort_keys=True)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

"""The files in which calibrations are kept: one a model, machine and wish."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError

from services.common.machine import Machine
from services.common.runtimes.configuration import Calibration, Wish
from services.common.whole_file import write_whole

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
        return self._folder / f"{_beginning(digest, machine)}-{_short(wish.model_dump(), int8_digest)}.json"

    def of_model(self, digest: str, machine: Machine) -> dict[Path, Calibration]:
        """Return the calibrations of a model that were made on this machine, whatever was wished, and their files."""
        paths = sorted(self._folder.glob(f"{_beginning(digest, machine)}-*.json"))
        return {path: kept for path in paths if (kept := self.load(path)) is not None}

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


def _beginning(digest: str, machine: Machine) -> str:
    return f"{hashlib.sha256(digest.encode()).hexdigest()[:16]}-{_short(FORMAT, asdict(machine))}"


def _short(*values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

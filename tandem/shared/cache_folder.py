"""Where this user's copies are kept of what is downloaded or compiled once."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder for downloaded weights: TANDEM_CACHE, else XDG_CACHE_HOME/tandem, else ~/.cache/tandem."""
    if explicit := os.environ.get("TANDEM_CACHE"):
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tandem"

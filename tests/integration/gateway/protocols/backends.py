"""Where the backends of these tests are, and which models they have."""

from __future__ import annotations

from typing import NamedTuple

TEXT, PICTURES, IMAGES = "tiny", "tiny-image", "fashion-gan"


class Backends(NamedTuple):
    """host:port of each."""

    ar: str
    gan: str

    @property
    def targets(self) -> dict[str, list[str]]:
        """The settings of a gateway before them."""
        return {"ar_targets": [self.ar], "gan_targets": [self.gan]}

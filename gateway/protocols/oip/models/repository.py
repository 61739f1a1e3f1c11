"""The models that backends serve now, by name, each with what it takes and gives."""

from __future__ import annotations

from typing import Any

from gateway.protocols.catalogue import Catalogue, Served
from gateway.protocols.oip.models.adapter import Adapter
from gateway.protocols.oip.models.parallel_images import ParallelImageModel
from gateway.protocols.oip.models.sequential import SequentialImageModel
from gateway.protocols.oip.models.text import TextModel
from gateway.protocols.oip.tensors import VERSION
from tandem.shared.errors import NotFound, TandemError, shown


class NoSuchVersion(TandemError):
    """Expected error: the model has no version of that name."""

    code = NotFound.code


class Repository:
    """The catalogue's models as adapters, each made once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._adapters: dict[str, tuple[Any, Adapter]] = {}

    def is_ready(self) -> bool:
        """Return whether each paradigm that is configured has a replica that serves."""
        return self._catalogue.all_serve()

    def models(self) -> list[Adapter]:
        """Return all of them."""
        return [self._adapter(served) for served in self._catalogue.models()]

    def find(self, name: str, version: str = "") -> Adapter:
        """Return the model. Raises NotFound, and Unavailable while a backend that may have it does not serve."""
        served = self._catalogue.find(name)
        if version not in ("", VERSION):
            raise NoSuchVersion(f"model_version: there is no {shown(version)}; there are: {VERSION}")
        return self._adapter(served)

    def has(self, name: str, version: str = "") -> bool:
        """Return whether a request for the model would be taken."""
        try:
            self.find(name, version)
        except TandemError:
            return False
        return True

    def _adapter(self, served: Served) -> Adapter:
        known = self._adapters.get(served.name)
        if known is None or known[0] is not served.described:
            known = self._adapters[served.name] = (served.described, _new_adapter(served))
        return known[1]


def _new_adapter(served: Served) -> Adapter:
    if not served.is_sequential:
        return ParallelImageModel(served.described)
    if served.makes_text:
        return TextModel(served.name)
    return SequentialImageModel(served.name, served.described.image_shape)

"""The models that backends serve now, by name, each with what it takes and gives."""

from __future__ import annotations

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
    """The models of the catalogue as adapters."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def models(self) -> list[Adapter]:
        """Return all of them."""
        return [_adapter(served) for served in self.catalogue.models()]

    def find(self, name: str, version: str = "") -> Adapter:
        """Return the model. Raises NotFound, and Unavailable while a backend that may have it does not serve."""
        served = self.catalogue.find(name)
        if version not in ("", VERSION):
            raise NoSuchVersion(f"model_version: there is no {shown(version)}; there are: {VERSION}")
        return _adapter(served)


def _adapter(served: Served) -> Adapter:
    if not served.is_sequential:
        return ParallelImageModel(served.described)
    if served.makes_text:
        return TextModel(served.name)
    return SequentialImageModel(served.name, served.described.image_shape)

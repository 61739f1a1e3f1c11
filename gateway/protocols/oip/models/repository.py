"""The models that backends serve now, by name, each with what it takes and gives."""

from __future__ import annotations

from typing import Any

from gateway.figures.replicas import Replicas
from gateway.protocols.oip.models.adapter import Adapter
from gateway.protocols.oip.models.parallel_images import ParallelImageModel
from gateway.protocols.oip.models.sequential_images import SequentialImageModel
from gateway.protocols.oip.models.text import TextModel
from gateway.protocols.oip.tensors.outputs import VERSION
from runtime.rpc.routes import PARALLEL, SEQUENTIAL, SERVICES
from tandem.shared.errors import NotFound, TandemError, Unavailable, shown


class NoSuchVersion(TandemError):
    """Expected error: the model has no version of that name."""

    code = NotFound.code


class Repository:
    """Reads what `replicas` know already, and makes no calls."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas
        self._adapters: dict[str, tuple[Any, Adapter]] = {}

    def is_ready(self) -> bool:
        """Return whether each paradigm that is configured has a replica that serves."""
        configured = [paradigm for paradigm in SERVICES if self._replicas.is_configured(paradigm)]
        return all(map(self._replicas.is_serving, configured))

    def models(self) -> list[Adapter]:
        """Return all of them; of two with one name, the sequential one."""
        listed = [(paradigm, model) for paradigm in (PARALLEL, SEQUENTIAL) for model in self._replicas.models(paradigm)]
        found = {model.name: self._adapter(paradigm, model) for paradigm, model in listed}
        self._adapters = {name: known for name, known in self._adapters.items() if name in found}
        return list(found.values())

    def find(self, name: str, version: str = "") -> Adapter:
        """Return the model. Raises NotFound, and Unavailable while a backend that may have it does not serve."""
        for paradigm in (SEQUENTIAL, PARALLEL):
            for model in self._replicas.models(paradigm):
                if model.name == name:
                    if version not in ("", VERSION):
                        raise NoSuchVersion(f"model_version: there is no {shown(version)}; there are: {VERSION}")
                    return self._adapter(paradigm, model)
        for paradigm in SERVICES:
            if self._replicas.is_configured(paradigm) and not self._replicas.is_serving(paradigm):
                raise Unavailable(self._replicas.problem(paradigm))
        raise NotFound(name, [model.name for model in self.models()])

    def has(self, name: str, version: str = "") -> bool:
        """Return whether a request for the model would be taken."""
        try:
            self.find(name, version)
        except TandemError:
            return False
        return True

    def _adapter(self, paradigm: str, model: Any) -> Adapter:
        known = self._adapters.get(model.name)
        if known is None or known[0] is not model:
            known = self._adapters[model.name] = (model, _adapter(paradigm, model))
        return known[1]


def _adapter(paradigm: str, model: Any) -> Adapter:
    if paradigm == PARALLEL:
        return ParallelImageModel(model)
    return TextModel(model.name) if model.modality == "text" else SequentialImageModel(model.name, model.image_shape)

"""The models that backends serve, by what they generate. Reads what the gateway knows already, and makes no calls."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.figures.replicas import Replicas
from runtime.rpc.routes import PARALLEL, SEQUENTIAL
from tandem.shared.errors import InvalidArgument, NotFound, Unavailable


class Served(NamedTuple):
    """A model: `described` is its Model message, of the service of `paradigm`."""

    paradigm: str
    described: Any

    @property
    def name(self) -> str:
        return str(self.described.name)

    @property
    def makes_text(self) -> bool:
        return self.paradigm == SEQUENTIAL and self.described.modality == "text"


class Catalogue:
    """Text models come first, since some clients take the first that is listed."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    def models(self) -> list[Served]:
        """Return all of them; of two with one name, the sequential one."""
        every = [Served(each, model) for each in (SEQUENTIAL, PARALLEL) for model in self._replicas.models(each)]
        unique = {model.name: model for model in reversed(every)}
        return sorted(unique.values(), key=lambda model: (not model.makes_text, every.index(model)))

    def find(self, name: str) -> Served:
        """Return the model. Raises NotFound, and Unavailable while a backend that may have it does not serve."""
        models = self.models()
        for model in models:
            if model.name == name:
                return model
        self._check_all_serve()
        raise NotFound(name, [model.name for model in models])

    def text(self, name: str | None) -> Served:
        """Return the text model, the first if no name is given. Raises as `find`, and InvalidArgument for images."""
        return self._wanted(name, makes_text=True)

    def image(self, name: str | None) -> Served:
        """Return the image model, the first if no name is given. Raises as `find`, and InvalidArgument for texts."""
        return self._wanted(name, makes_text=False)

    def fingerprint(self, model: Served) -> str | None:
        """Return what all replicas with the model call its outputs' causes, None if they differ."""
        found = set(self._replicas.fingerprints(model.paradigm, model.name))
        return found.pop() if len(found) == 1 else None

    def _wanted(self, name: str | None, makes_text: bool) -> Served:
        kind, other = ("a model of texts", "images") if makes_text else ("a model of images", "texts")
        if name:
            model = self.find(name)
            if model.makes_text != makes_text:
                raise InvalidArgument("model", name, f"{kind}: this one makes {other}")
            return model
        fitting = [model for model in self.models() if model.makes_text == makes_text]
        if not fitting:
            self._check_all_serve()
            raise InvalidArgument("model", name, f"{kind}, of which there is none")
        return fitting[0]

    def _check_all_serve(self) -> None:
        for paradigm in (SEQUENTIAL, PARALLEL):
            if self._replicas.is_configured(paradigm) and not self._replicas.is_serving(paradigm):
                raise Unavailable(self._replicas.problem(paradigm))

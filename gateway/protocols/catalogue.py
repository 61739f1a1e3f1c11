"""The models that backends serve, by what they generate. Reads what the gateway knows already, and makes no calls."""

from __future__ import annotations

import time
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
    def is_sequential(self) -> bool:
        return self.paradigm == SEQUENTIAL

    @property
    def makes_text(self) -> bool:
        return self.is_sequential and self.described.modality == "text"


class Catalogue:
    """Text models come first, since some clients take the first that is listed."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas
        self.created = int(time.time())
        """When the gateway started, in seconds since 1970."""

    def all_serve(self) -> bool:
        """Return whether each paradigm that is configured has a replica that serves."""
        return not self._replicas.missing()

    def models(self) -> list[Served]:
        """Return all of them; of two with one name, the sequential one."""
        unique: dict[str, Served] = {}
        for paradigm in (SEQUENTIAL, PARALLEL):
            for model in self._replicas.models(paradigm):
                unique.setdefault(model.name, Served(paradigm, model))
        return sorted(unique.values(), key=lambda served: not served.makes_text)

    def find(self, name: str) -> Served:
        """Return the model. Raises NotFound, and Unavailable while a backend that had or may have it does not serve."""
        models = {served.name: served for served in self.models()}
        if name not in models:
            self._check_all_serve()
            if problem := self._replicas.away(name):
                raise Unavailable(problem)
            raise NotFound(name, models)
        return models[name]

    def text(self, name: str | None) -> Served:
        """Return the text model, the first if no name is given. Raises as `find`, and InvalidArgument for images."""
        return self._choose(name, makes_text=True)

    def image(self, name: str | None) -> Served:
        """Return the image model, the first if no name is given. Raises as `find`, and InvalidArgument for texts."""
        return self._choose(name, makes_text=False)

    def fingerprint(self, model: Served) -> str | None:
        """Return what all replicas with the model call its outputs' causes, None if they differ."""
        fingerprints = set(self._replicas.fingerprints(model.paradigm, model.name))
        return fingerprints.pop() if len(fingerprints) == 1 else None

    def _choose(self, name: str | None, makes_text: bool) -> Served:
        kind, other = ("a model of texts", "images") if makes_text else ("a model of images", "texts")
        if name:
            model = self.find(name)
            if model.makes_text != makes_text:
                raise InvalidArgument("model", name, f"{kind}: this one makes {other}")
            return model
        for model in self.models():
            if model.makes_text == makes_text:
                return model
        self._check_all_serve()
        raise InvalidArgument("model", name, f"{kind}, of which there is none")

    def _check_all_serve(self) -> None:
        for problem in self._replicas.missing().values():
            raise Unavailable(problem)

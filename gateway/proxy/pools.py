"""Tells the module in Envoy that chooses replicas which of them has which model: native/pools.h is the other side."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from gateway.proxy.admin import TIMEOUT_SECONDS, AdminError
from runtime.rpc.routes import SEQUENTIAL, SERVICES

logger = logging.getLogger(__name__)

_PATH = "/pools"
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


class Known(NamedTuple):
    """A replica's address, empty while it does not serve, and the Model messages that it has listed."""

    paradigm: str
    address: str
    models: Sequence[Any]


class Pools:
    """Tells by Envoy's internal listener, at `socket`. Needs a running event loop."""

    def __init__(self, socket: Path) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix:{socket}", options=_OPTIONS)
        self._told = ""

    async def tell(self, replicas: Iterable[Known]) -> None:
        """Tell what there is now, unless it was told; requests that come afterwards go by it. Raises AdminError."""
        found = sorted(_lines(tuple(replicas)))
        text = "\n".join("\t".join(line) for line in found)
        if text == self._told:
            return
        tell: Any = self._channel.unary_stream(_PATH)
        call = tell(text.encode(), timeout=TIMEOUT_SECONDS, wait_for_ready=True)
        if (code := await call.code()) is grpc.StatusCode.UNIMPLEMENTED:  # there is no module
            if len({(paradigm, *asked) for paradigm, _, *asked in found}) > len({paradigm for paradigm, *_ in found}):
                logger.warning("replicas have different models, and nothing sends a request to one that has its model")
        elif code is not grpc.StatusCode.OK:
            raise AdminError(f"{_PATH}: {await call.details()}")
        self._told = text

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()


def _lines(replicas: Sequence[Known]) -> Iterator[tuple[str, ...]]:
    """Yield of each replica its paradigm, its address, and what may be asked of it, always in the same order."""
    for paradigm in SERVICES:
        own = [replica for replica in replicas if replica.paradigm == paradigm]
        defaults = _defaults(own) if paradigm == SEQUENTIAL else {}
        for _, address, models in own:
            names = {model.name for model in models}
            yield (paradigm, address, *sorted(names), *(kind for kind, name in defaults.items() if name in names))


def _defaults(replicas: Sequence[Known]) -> dict[str, str]:
    """Return the model that a request without a name is for, by what it asks for: what services.ar would choose if one
    replica had the models of all.
    """
    models = {model.name: model for replica in replicas for model in replica.models}.values()
    images = [model for model in models if model.modality == "image"]
    in_steps, others = ([each for each in images if each.takes_steps is takes] for takes in (True, False))
    fitting = {
        "?text": [model for model in models if model.modality == "text"],
        "?image": images if len(images) == 1 else others,
        "?steps": images if len(images) == 1 else in_steps,
    }
    return {kind: found[0].name for kind, found in fitting.items() if len(found) == 1}

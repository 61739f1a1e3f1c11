"""The replicas of one paradigm: which one takes the next request, and which models they have."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from gateway.replica import Replica
from gateway.routes import list_models_route
from runtime.errors import Unavailable

UNKNOWN_MODEL = "unknown"


class Backend:
    """All replicas of one paradigm; `targets` are their addresses, host:port."""

    def __init__(self, paradigm: str, targets: Sequence[str]) -> None:
        self.paradigm = paradigm
        self._turn = 0
        self.modalities: dict[str, str] = {}
        """By name, of the models that the replicas have listed; those of a lost replica are remembered."""
        route = list_models_route(paradigm)
        self.service = route.service
        self.replicas = [Replica(target, route) for target in targets]

    @property
    def is_configured(self) -> bool:
        return bool(self.replicas)

    @property
    def is_serving(self) -> bool:
        return any(replica.is_serving for replica in self.replicas)

    def start(self) -> None:
        """Make the channels."""
        for replica in self.replicas:
            replica.start()

    async def watch(self, changed: Callable[["Backend"], Awaitable[None]]) -> None:
        """Follow every replica's health and await `changed` after each change; does not return while there are any."""

        async def on_change() -> None:
            listed = [model for replica in self.replicas for model in replica.models]
            self.modalities = {model.name: getattr(model, "modality", "") for model in listed}
            await changed(self)

        async with asyncio.TaskGroup() as group:
            for replica in self.replicas:
                group.create_task(replica.watch(on_change))

    async def close(self) -> None:
        for replica in self.replicas:
            await replica.close()

    def pick(self, avoid: Collection[Replica] = ()) -> Replica:
        """Return the least busy healthy replica, in turn among equals, one of `avoid` at last.

        Raises Unavailable.
        """
        serving = [replica for replica in self.replicas if replica.is_serving]
        if not serving:
            raise Unavailable(self.problem())
        candidates = [replica for replica in serving if replica not in avoid] or serving
        self._turn += 1
        first = self._turn % len(candidates)
        return min(candidates[first:] + candidates[:first], key=lambda replica: replica.in_flight)

    def problem(self) -> str:
        """Return why no replica can be picked."""
        if not self.replicas:
            return f"{self.paradigm} backend is not configured"
        return "; ".join(f"{self.paradigm} backend {each.state.value} at {each.target}" for each in self.replicas)

    def label_of(self, name: str, modality: str = "") -> str:
        """Return a metric label for the model of a request: a listed name, or "unknown".

        Without a `name` it is the only model, or else the only one of the prompt's `modality`, as the backend chooses.
        """
        if name:
            return name if name in self.modalities else UNKNOWN_MODEL
        fitting = [each for each, its in self.modalities.items() if len(self.modalities) == 1 or its == modality]
        return fitting[0] if len(fitting) == 1 else UNKNOWN_MODEL

"""The replicas of one paradigm: which one takes the next request, and which models they have."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

import grpc

from gateway.addresses import is_numeric, resolve, split
from gateway.replica import Replica
from runtime.errors import Unavailable
from runtime.routes import list_models_route

UNKNOWN_MODEL = "unknown"
RESOLVE_AGAIN_SECONDS = 1.0


class Backend:
    """All replicas of one paradigm; `targets` are host:port each, and a host name may stand for several replicas."""

    def __init__(
        self, paradigm: str, targets: Sequence[str], credentials: grpc.ChannelCredentials | None = None
    ) -> None:
        self.paradigm = paradigm
        self._credentials = credentials
        self._targets = tuple(targets)
        self._turn = 0
        self.modalities: dict[str, str] = {}
        """By name, of the models that the replicas have listed; those of a lost replica are remembered."""
        self._route = list_models_route(paradigm)
        self.service = self._route.service
        self._of_target: dict[str, dict[str, Replica]] = {target: {} for target in targets}
        for target in targets:
            if is_numeric(target):
                self._add(target, target)
        self._leaving: set[asyncio.Task[None]] = set()

    def _add(self, target: str, address: str) -> Replica:
        name = "" if is_numeric(target) else split(target)[0]
        replica = self._of_target[target][address] = Replica(address, self._route, self._credentials, name)
        return replica

    @property
    def replicas(self) -> list[Replica]:
        """Those that there are now."""
        return [replica for replicas in self._of_target.values() for replica in replicas.values()]

    @property
    def unresolved(self) -> list[str]:
        """The targets that have no address yet."""
        return [target for target, replicas in self._of_target.items() if not replicas]

    @property
    def is_configured(self) -> bool:
        return bool(self._targets)

    @property
    def is_serving(self) -> bool:
        return any(replica.is_serving for replica in self.replicas)

    def start(self) -> None:
        """Make the channels of those that are known by their addresses."""
        for replica in self.replicas:
            replica.start()

    async def watch(self, changed: Callable[["Backend"], Awaitable[None]]) -> None:
        """Follow every replica's health, and which replicas there are, and await `changed` after each change; does not
        return while there are targets.
        """

        async def on_change() -> None:
            listed = [model for replica in self.replicas for model in replica.models]
            if listed:
                self.modalities = {model.name: getattr(model, "modality", "") for model in listed}
            await changed(self)

        async with asyncio.TaskGroup() as group:
            for target in self._targets:
                group.create_task(self._follow(target, group, on_change))

    async def _follow(self, target: str, group: asyncio.TaskGroup, on_change: Callable[[], Awaitable[None]]) -> None:
        """Keep the replicas of one target those that its name stands for."""
        watches: dict[str, asyncio.Task[None]] = {}

        def begin(replica: Replica) -> None:
            watches[replica.target] = group.create_task(replica.watch(on_change))

        for replica in self._of_target[target].values():
            begin(replica)
        while not is_numeric(target):
            addresses = await resolve(target)
            if addresses is not None:
                for address in sorted(addresses - watches.keys()):
                    replica = self._add(target, address)
                    replica.start()
                    begin(replica)
                for address in watches.keys() - addresses:
                    watches.pop(address).cancel()
                    self._retire(self._of_target[target].pop(address))
                    await on_change()
            await asyncio.sleep(RESOLVE_AGAIN_SECONDS)

    def _retire(self, replica: Replica) -> None:
        """Give a replica that is gone from its name nothing more; let it finish what it has in hand."""
        leaving = asyncio.create_task(replica.close_when_idle())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Close all channels, whatever is under way."""
        for leaving in self._leaving:
            leaving.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
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
        if not self.is_configured:
            return f"{self.paradigm} backend is not configured"
        states = [f"{self.paradigm} backend {each.state.value} at {each.target}" for each in self.replicas]
        return "; ".join((*states, *(f"{self.paradigm} backend has no address at {each}" for each in self.unresolved)))

    def label_of(self, name: str, modality: str = "") -> str:
        """Return a metric label for the model of a request: a listed name, or "unknown".

        Without a `name` it is the only model, or else the only one of the prompt's `modality`, as the backend chooses.
        """
        if name:
            return name if name in self.modalities else UNKNOWN_MODEL
        fitting = [each for each, its in self.modalities.items() if len(self.modalities) == 1 or its == modality]
        return fitting[0] if len(fitting) == 1 else UNKNOWN_MODEL

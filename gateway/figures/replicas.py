"""The replicas and their requests in flight, as Envoy reports them each second, and the models that each lists.

The gateway asks for these by connections of its own: a call through the proxy would be counted as a client's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.proxy.admin import Admin, AdminError, Endpoint, ProxiedReplica
from gateway.proxy.pools import Known
from runtime.rpc.routes import list_models_route

logger = logging.getLogger(__name__)

LIST_MODELS_SECONDS = 2.0

_OPTIONS: tuple[tuple[str, int], ...] = (
    # A replica that comes back must be met within a second, not after the default's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A proxy in the environment is for external addresses, not for our own backends.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)

POLL_SECONDS = 1.0

Changed = Callable[[str, bool], Awaitable[None]]
"""Takes a paradigm, and whether it has a replica that serves."""

Tell = Callable[[Iterable[Known]], Awaitable[None]]
"""Takes the replicas whose models are known; may raise AdminError."""


class Replica:
    """`state` is Envoy's view of it, `models` are its Model messages while it serves, `listed` those that it had last.

    Needs a running event loop.
    With `credentials` the connection uses TLS, and the replica's certificate must be for the name that it was found
    under, or for its address if that is what the settings have.
    """

    def __init__(self, state: ProxiedReplica, credentials: grpc.ChannelCredentials | None) -> None:
        self.state = state
        self.models: Sequence[Any] | None = None
        self.listed: Sequence[Any] = ()
        self.channel = _channel(state, credentials)
        self._is_silent = False

    def __str__(self) -> str:
        return f"{self.state.paradigm} backend at {self.state.address}"

    async def follow(self) -> None:
        """Ask for its models if it serves, unless they are known and the connection by which it told them stands.

        Forget them if it no longer serves.
        """
        if not self.state.is_serving:
            self.models, self._is_silent = None, False
        elif self.models is None or self.channel.get_state() is not grpc.ChannelConnectivity.READY:
            await self._list_models()

    def known(self) -> Known:
        """Return what is known of its models."""
        return Known(self.state.paradigm, "" if self.models is None else self.state.address, self.listed)

    async def _list_models(self) -> None:
        route = list_models_route(self.state.paradigm)
        try:
            ask: Any = self.channel.unary_unary(route.path)
            reply: Any = route.response_class.FromString(await ask(b"", timeout=LIST_MODELS_SECONDS))
        except (grpc.aio.AioRpcError, DecodeError) as error:
            if not self._is_silent:
                logger.warning("%s does not list its models: %s", self, error)
            self._is_silent = True
        else:
            self.models = self.listed = tuple(reply.models)


def _channel(state: ProxiedReplica, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    """Return a channel, which connects when it is first used."""
    if credentials is None:
        return grpc.aio.insecure_channel(state.address, options=_OPTIONS)
    name = (("grpc.ssl_target_name_override", state.name),) if state.name else ()
    return grpc.aio.secure_channel(state.address, credentials, options=(*_OPTIONS, *name))


class Replicas(Collector):
    """`targets` (host:port each) by paradigm are those that are configured; a name stands for all its addresses.

    `changed` is awaited at the first poll and at each change, `tell` before it at each poll. `credentials` are those of
    connections to replicas.
    """

    def __init__(
        self,
        targets: Mapping[str, Sequence[str]],
        changed: Changed | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        tell: Tell | None = None,
    ) -> None:
        self._tell = tell
        self._targets = targets
        self._changed = changed
        self._credentials = credentials
        self._known: dict[tuple[str, str], Replica] = {}
        self._notified: dict[str, bool] = {}
        self._num_dropped = 0

    async def run(self, admin: Admin) -> None:
        """Ask Envoy again and again; never returns. While it does not answer, what was known stays."""
        while True:
            try:
                await self.poll(admin)
            except AdminError as error:
                logger.warning("Envoy does not report the state of its replicas: %s", error)
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self, admin: Admin) -> None:
        """Ask once. Raises AdminError."""
        states, counters = await admin.replicas(), await admin.counters()
        self._num_dropped = max(self._num_dropped, counters.log_entries_dropped)
        await self.update(states)

    async def update(self, states: Iterable[ProxiedReplica]) -> None:
        """Take Envoy's present view, and report what has changed."""
        now = {(state.paradigm, state.address): state for state in states}
        gone = [self._known.pop(key) for key in self._known.keys() - now.keys()]
        for replica in gone:
            logger.info("%s is gone", replica)
        for key, state in now.items():
            self._update(key, state)
        await asyncio.gather(*(replica.channel.close() for replica in gone))
        # Before the replica is announced: the next question is for its models.
        await asyncio.gather(*(replica.follow() for replica in self._known.values()))
        if self._tell is not None:
            await self._tell(replica.known() for replica in self._known.values() if replica.listed)
        await self._notify()

    def _update(self, key: tuple[str, str], state: ProxiedReplica) -> None:
        before = self._known.get(key)
        replica = self._known[key] = before or Replica(state, self._credentials)
        if before is None or before.state.is_serving is not state.is_serving:
            logger.info("%s %s", replica, "is serving" if state.is_serving else "is not ready")
        replica.state = state

    async def _notify(self) -> None:
        for paradigm in self._targets:
            is_serving = self.is_serving(paradigm)
            if self._changed is not None and self._notified.get(paradigm) is not is_serving:
                await self._changed(paradigm, is_serving)
            self._notified[paradigm] = is_serving

    async def close(self) -> None:
        """Close the connections to all of them."""
        await asyncio.gather(*(replica.channel.close() for replica in self._known.values()))

    def members(self, paradigm: str) -> list[Replica]:
        """Return the replicas of a paradigm, with what each lists."""
        # Of a copy, which is made in one step: figures are read in a thread while the event loop changes what is known.
        return [replica for replica in tuple(self._known.values()) if replica.state.paradigm == paradigm]

    def of(self, paradigm: str) -> list[ProxiedReplica]:
        """Return the replicas of a paradigm as Envoy sees them."""
        return [replica.state for replica in self.members(paradigm)]

    def at(self, address: str) -> Replica | None:
        """Return the replica at host:port, None if there is none."""
        return next((replica for replica in tuple(self._known.values()) if replica.state.address == address), None)

    def __contains__(self, address: str) -> bool:
        return self.at(address) is not None

    def models(self, paradigm: str) -> list[Any]:
        """Return the Model messages of a paradigm, each name once."""
        known = self.members(paradigm)
        return list({model.name: model for replica in known for model in replica.models or ()}.values())

    def away(self, model: str) -> str:
        """Return where a model was that no replica has now, empty if it was nowhere."""
        had = (each for each in tuple(self._known.values()) if each.models is None)
        where = (f"{each} is not ready" for each in had if model in {described.name for described in each.listed})
        return "; ".join(where)

    def fingerprints(self, paradigm: str, model: str) -> list[str]:
        """Return what each replica of a paradigm that has the model names as the causes of its outputs."""
        served = (served for replica in self.members(paradigm) for served in replica.models or ())
        return [described.fingerprint for described in served if described.name == model]

    def is_configured(self, paradigm: str) -> bool:
        return bool(self._targets[paradigm])

    def is_serving(self, paradigm: str) -> bool:
        return any(replica.is_serving for replica in self.of(paradigm))

    def missing(self) -> dict[str, str]:
        """Return each paradigm that is configured and has no replica that serves, with the reason."""
        configured = filter(self.is_configured, self._targets)
        return {paradigm: self.problem(paradigm) for paradigm in configured if not self.is_serving(paradigm)}

    def in_flight(self, paradigm: str) -> int:
        """Return how many requests of a paradigm are with its replicas."""
        return sum(replica.num_active for replica in self.of(paradigm))

    def unresolved(self, paradigm: str) -> list[str]:
        """Return the targets whose names have no address."""
        found = {replica.name for replica in self.of(paradigm)}
        names = [target for target in self._targets[paradigm] if not Endpoint.parse(target).is_address]
        return [target for target in names if not {target, Endpoint.parse(target).host} & found]

    def problem(self, paradigm: str) -> str:
        """Return why a paradigm is not served."""
        backend = f"{paradigm} backend"
        if not self.is_configured(paradigm):
            return f"{backend} is not configured"
        waiting = (replica for replica in self.of(paradigm) if not replica.is_serving)
        states = [f"{backend} is not ready at {replica.address}" for replica in waiting]
        unresolved = [f"{backend} has no address at {target}" for target in self.unresolved(paradigm)]
        return "; ".join((*states, *unresolved)) or f"{backend} is not ready"

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Yield their state and load; a name without an address serves nothing."""
        serving = _gauge("tandem_replica_serving", "1 for a replica that takes requests, else 0.", "target")
        in_hand = _gauge("tandem_replica_requests_in_flight", "Requests that a replica has in hand.", "target")
        in_flight = _gauge("tandem_requests_in_flight", "Requests that are with a backend, as of the last second.")
        for paradigm in self._targets:
            in_flight.add_metric([paradigm], self.in_flight(paradigm))
            for replica in self.of(paradigm):
                serving.add_metric([paradigm, replica.address], replica.is_serving)
                in_hand.add_metric([paradigm, replica.address], replica.num_active)
            for target in self.unresolved(paradigm):
                serving.add_metric([paradigm, target], 0)
        text = "Requests that ended and are in no other count, because the proxy could not report them in time."
        dropped = CounterMetricFamily("tandem_log_entries_dropped", text, value=self._num_dropped)
        yield from (serving, in_hand, in_flight, dropped)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=("paradigm", *labels))

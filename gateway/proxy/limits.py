"""Every number in Envoy's configuration that is not a setting, each with its reason."""

from dataclasses import dataclass

from runtime.limits import MAX_MESSAGE_BYTES

_KIB = 1024
_MIB = 1024 * _KIB

GRPC_PREFIX_BYTES = 5
"""A gRPC message is preceded by a flag and its length."""


@dataclass(frozen=True)
class Limits:
    """Times are in seconds, sizes in bytes. Tests shorten the times; nothing else changes them."""

    # Connections.
    keepalive_interval: float = 10.0
    """After this silence a peer is asked whether it is there, upstream and downstream alike..."""
    keepalive_timeout: float = 5.0
    """...and given up if it does not answer: a host that vanished is noticed within 15 s."""
    connection_idle: float = 300.0
    """A client's connection without requests is closed; clients open a new one when they need it."""
    connection_age: float = 60.0
    """Clients of this connection are told to open another one, so that they meet new gateways behind a DNS name..."""
    connection_grace: float = 600.0
    """...and what is under way in the old one gets this long."""
    handshake: float = 3.0
    """TLS must be agreed on by then: a connection that says nothing holds a place."""
    connect: float = 1.0
    """A replica is on the same network; one that has not accepted by then is tried again elsewhere."""
    stream_window: int = 1 * _MIB
    """What may be under way in one stream before the receiver has taken it: a batch of images, and no more."""
    connection_window: int = 4 * _MIB
    """Likewise for all streams of one connection."""
    connection_buffer: int = 1 * _MIB
    """What Envoy keeps for a peer that does not read before it stops reading from the other side."""
    concurrent_streams: int = 1024
    """Requests of one connection at a time; grpc.aio servers of the backends allow as many."""

    early_resets: int = 1_000_000
    """A connection is closed when half of so many streams were reset within a second of their start. Envoy's own 500
    takes a client that cancels often for an attack, and ends what it has beside; the codec's own bound of 1,000 at once
    and 33 a second stays."""

    # Requests.
    header_kib: int = 16
    """Size of a request's head; ours are below 1 KiB, and an API key or a trace context adds little."""
    num_headers: int = 100
    headers: float = 5.0
    """A head that takes longer than this is somebody who sends it byte by byte."""
    request: float = 30.0
    """The whole request must be here by then: 4 MiB at 1.1 Mbit/s."""
    message: int = MAX_MESSAGE_BYTES + GRPC_PREFIX_BYTES
    """The largest request message that backends take, as it travels."""
    silence: float = 600.0
    """A stream with no byte either way ends: longer than any computation, shorter than a stalled reader's patience."""
    flush: float = 30.0
    """A finished reply that its reader does not take is given up."""
    heap: int = 1024 * _MIB
    """Envoy refuses new requests when it holds 95 % of this, whatever the limits above add up to."""

    # Replicas.
    health_interval: float = 1.0
    """Each replica is asked this often whether its service is SERVING."""
    health_timeout: float = 3.0
    """A replica under full load answers late; one that is frozen does not answer at all."""
    unhealthy_after: int = 2
    """One late answer is no failure."""
    dns_interval: float = 1.0
    """Names are looked up this often: that is how replicas come and go."""
    dns_timeout: int = 1
    """A server of names on the same network answers by then, or is asked once more..."""
    dns_tries: int = 2
    """...before what was known is kept until the next time."""
    eject: float = 5.0
    """Time that a replica is left alone after connections to it failed; its health check ends it as soon as it serves.
    Longer than the checks need to see that it does not: one that starts again answers before it serves, and has nothing
    under way, so that all tries of a request would go there."""
    eject_after: int = 2
    """Failed connections in a row that make a replica one to be left alone: not more than `retries`, because one that
    is gone has nothing under way, so that each try goes there until it is left alone."""

    # Tries.
    retries: int = 2
    """Further tries of a request of which no byte has come back."""
    retry_budget_percent: float = 10.0
    """Requests of one backend that may be further tries at a time, of all that are active..."""
    retry_min: int = 64
    """...or this many: what one replica has in hand must be saved at once when it dies, even of two."""
    retry_backoff: float = 0.025
    """Base of the wait before a further try; the wait is random below it, and doubles."""

    # The gateway's own processes.
    log_flush: float = 0.2
    """A log entry waits at most this long for others to travel with."""
    log_buffer: int = 256 * _KIB
    """A batch of log entries goes out at this size, about 500 of them."""
    authorization: float = 2.0
    """The gateway's answer whether a key is good; it has it in memory."""

"""One request's clock and counts: what the gateway knows of it, in one place, until it ends.

Knows nothing of metrics or transports.
"""

import logging
import time

from google.protobuf.message import DecodeError

from gateway.backend import UNKNOWN_MODEL
from runtime.routes import Route
from tandem.common.v1.timings_pb2 import Timings

logger = logging.getLogger(__name__)


class Observation:
    """All instants are seconds on the monotonic clock. The clock starts when the request message has been received.

    While a stream runs, the gateway and the backend work at the same time, so the gateway's own share of what the
    client waits for is the time before the request went upstream and after upstream's last word.
    """

    __slots__ = (
        "_asked_at",
        "_ended_at",
        "_heard_at",
        "_received_at",
        "first_output_at",
        "last_output_at",
        "model",
        "num_first_outputs",
        "num_outputs",
        "num_pictures",
        "route",
        "timings",
        "transport",
        "turned_away",
    )

    def __init__(self, route: Route, transport: str) -> None:
        self.route = route
        self.transport = transport
        self.model = UNKNOWN_MODEL
        self.turned_away = False
        self.timings: Timings | None = None
        self.first_output_at = self.last_output_at = 0.0
        self.num_outputs = self.num_first_outputs = self.num_pictures = 0
        self._received_at = time.monotonic()
        self._asked_at = self._heard_at = self._ended_at = 0.0

    def received(self) -> None:
        """The request message is here."""
        self._received_at = time.monotonic()

    def asked(self) -> None:
        """The request goes upstream; a second try does not move the instant."""
        if not self._asked_at:
            self._asked_at = time.monotonic()

    def heard(self) -> None:
        """Upstream has said its last word: the reply, the end of its stream, or an error."""
        self._heard_at = time.monotonic()

    def forwarded(self, response: bytes, arrived_at: float) -> tuple[int, int]:
        """A response that arrived at this instant is on its way to the client; count what it carries.

        Return how many units of the route, and how many pictures besides, that is.
        """
        try:
            message = self.route.response_class.FromString(response)
        except DecodeError:
            logger.exception("%s: the backend's reply cannot be read; forwarded, not counted", self.route.path)
            return 0, 0
        self.timings = self.route.timings_of(message) or self.timings
        num_outputs = self.route.outputs_of(message)
        if num_outputs and not self.num_outputs:
            self.first_output_at = arrived_at
            self.num_first_outputs = num_outputs
        if num_outputs:
            self.last_output_at = arrived_at
            self.num_outputs += num_outputs
        num_pictures = self.route.pictures_of(message)
        self.num_pictures += num_pictures
        return num_outputs, num_pictures

    def ended(self) -> None:
        """The request has its status."""
        self._ended_at = time.monotonic()

    @property
    def total_seconds(self) -> float:
        return self._ended_at - self._received_at

    @property
    def first_output_seconds(self) -> float:
        return self.first_output_at - self._received_at

    @property
    def gateway_seconds(self) -> float:
        if not self._asked_at:
            return self.total_seconds
        return self._asked_at - self._received_at + self._ended_at - (self._heard_at or self._ended_at)

    @property
    def seconds_per_output(self) -> float | None:
        """Seconds between outputs after the first message, None if it brought all there were."""
        rest = self.num_outputs - self.num_first_outputs
        return (self.last_output_at - self.first_output_at) / rest if rest else None

    def phases(self) -> dict[str, float]:
        """Return the parts of the total, by name; they add up to it. Empty without timings from the backend."""
        timings = self.timings
        if timings is None:
            return {}
        names = ("queue", "prefill", "batch_wait", "decode", "compute", "encode")
        parts = {name: seconds for name in names if (seconds := getattr(timings, f"{name}_seconds")) > 0.0}
        parts["backend_other"] = max(0.0, timings.total_seconds - sum(parts.values()))
        parts["gateway"] = self.gateway_seconds
        parts["residual"] = max(0.0, self.total_seconds - self.gateway_seconds - timings.total_seconds)
        return parts

"""A server whose delays are known.

`python -m tests.integration.tandem.measure.generator.known_delays DELAYS` prints its port and serves.
DELAYS is JSON, one of: {"fixed": S}; {"bimodal": [FAST, SLOW, SHARE]}, the share by the request's seed; {"queue": S},
a single server, first come first served; {"stall": [S, SEED, STALL, SPACING]}, which stands still from the request of
that seed on, and never answers two requests in less than SPACING. Says on standard output when it has answered another
twenty; a unary answer tells as `encode_seconds` how late it is. Plain grpcio with threads that sleep to absolute
instants; shares no code with the load generator. A streamed answer has an image after each delay.
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tandem.common.v1 import images_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
IMAGE = images_pb2.ImageBatch(shape=[1, 2, 2, 1], encoding=images_pb2.ENCODING_RAW_UINT8, data=bytes(4))


def is_slow(seed: int, share: float) -> bool:
    return seed % 1000 < share * 1000


class KnownDelays(gan_pb2_grpc.GanServiceServicer):
    def __init__(self, delays: dict[str, Any]) -> None:
        ((self._kind, self._values),) = delays.items()
        self._lock = threading.Lock()
        self._free_at = self._answered_at = 0.0
        self._num_answered = 0

    def Sample(self, request, context):
        began_at = time.monotonic()
        due_at = self._answer_at(began_at, request.seed)
        self._sleep_until(due_at)
        late = time.monotonic() - due_at
        with self._lock:
            self._num_answered += 1
            if self._num_answered % 20 == 0:
                print("answered", flush=True)
        waited = time.monotonic() - began_at
        timings = Timings(compute_seconds=waited - late, encode_seconds=late, total_seconds=waited)
        return gan_pb2.SampleResponse(images=IMAGE, timings=timings)

    def SampleStream(self, request, context):
        instant = time.monotonic()
        for _ in range(request.sample.count):
            instant = self._answer_at(instant, request.sample.seed)
            self._sleep_until(instant)
            yield gan_pb2.SampleStreamResponse(part=gan_pb2.SampleResponse(images=IMAGE))

    def ListModels(self, request, context):
        return gan_pb2.ListModelsResponse(models=[gan_pb2.Model(name="known")])

    def _answer_at(self, now: float, seed: int) -> float:
        if self._kind == "fixed":
            return now + self._values
        if self._kind == "bimodal":
            fast, slow, share = self._values
            return now + (slow if is_slow(seed, share) else fast)
        with self._lock:
            if self._kind == "queue":
                self._free_at = max(now, self._free_at) + self._values
                return self._free_at
            delay, stalling_seed, stall, spacing = self._values
            if seed == stalling_seed:
                self._free_at = now + stall
            self._answered_at = max(now + delay, self._free_at + delay, self._answered_at + spacing)
            return self._answered_at

    @staticmethod
    def _sleep_until(instant: float) -> None:
        time.sleep(max(0.0, instant - time.monotonic()))


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(512), options=[("grpc.so_reuseport", 0)])
    gan_pb2_grpc.add_GanServiceServicer_to_server(KnownDelays(json.loads(sys.argv[1])), server)
    health_servicer = health.HealthServicer()
    health_servicer.set(gan_pb2.DESCRIPTOR.services_by_name["GanService"].full_name, SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()

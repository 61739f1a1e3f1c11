"""Images a second through the Open Inference Protocol beside our own Sample, in turns, through one gateway.

    python -m benchmarks.oip [--out out] [--rounds 5] [--seconds 2]

Writes oip.json, with the machine: for each size of request and number of callers, the median of the rounds and its
range, for both protocols, and the ratio within each round. Closed loops by the compiled sender, which shares the
machine with what it measures. Needs the committed fashion-gan.
"""

from __future__ import annotations

import argparse
import struct
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness.clients import SENDER, Client, open_client
from benchmarks.harness.figures import Figures
from benchmarks.harness.load import Target, closed_loop
from benchmarks.harness.messages import GAN_MODEL, SAMPLE, sample_requests
from benchmarks.harness.printing import dumped
from benchmarks.harness.processes import free_port, serving
from benchmarks.harness.servers import NOW, ROOT, Backends, gateway
from benchmarks.hop.document import surroundings
from tandem.measure.formats import number, ranged
from tandem.oip.grpc_service_pb2 import ModelInferRequest

MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
OWN, OIP, RATIO = "own", "oip", "ratio"
CASES = ((1, 1), (1, 4), (1, 16), (16, 4), (64, 4))
"""Images a request, and callers."""

_NUM_CLASSES, _NUM_REQUESTS, _WARM_UP_SECONDS = 10, 256, 1.0


def infer_requests(count: int) -> list[bytes]:
    """Return the requests of `sample_requests` in tensors: one seed for the batch, a class for each row."""
    return [_infer_request(seed, count).SerializeToString() for seed in range(_NUM_REQUESTS)]


def _infer_request(seed: int, count: int) -> ModelInferRequest:
    request = ModelInferRequest(model_name=GAN_MODEL)
    request.inputs.add(name="seed", datatype="UINT64", shape=[1, 1])
    request.inputs.add(name="label", datatype="INT32", shape=[count, 1])
    request.raw_input_contents.append(struct.pack("<Q", seed))
    request.raw_input_contents.append(struct.pack(f"<{count}i", *[seed % _NUM_CLASSES] * count))
    return request


def measure(client: Client, port: int, rounds: int, seconds: float) -> Figures:
    """Return what all rounds have measured; which protocol begins changes from round to round."""
    figures = Figures()
    for count, callers in CASES:
        targets = {
            OWN: Target(port, SAMPLE, sample_requests(count)),
            OIP: Target(port, MODEL_INFER, infer_requests(count)),
        }
        for target in targets.values():
            closed_loop(client, target, callers, _WARM_UP_SECONDS)
        for turn in range(rounds):
            order = list(targets)[:: 1 if turn % 2 else -1]
            rates = {who: count * closed_loop(client, targets[who], callers, seconds).per_second for who in order}
            for who, rate in (*rates.items(), (RATIO, rates[OIP] / rates[OWN])):
                figures.add(f"images_{count}_callers_{callers}", who, rate)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for oip.json")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each loop")
    options = parser.parse_args()
    gan, metrics = free_port(), free_port()
    with ExitStack() as servers:
        flags = ("--port", str(gan), "--metrics-port", str(metrics), "--models", GAN_MODEL, "--log-level", "WARNING")
        servers.enter_context(serving("services.gan", *flags, port=gan))
        hop = servers.enter_context(gateway(NOW, ROOT, Backends(None, gan)))
        figures = measure(open_client(SENDER), hop.port, options.rounds, options.seconds)
    options.out.mkdir(parents=True, exist_ok=True)
    spreads = figures.spreads()
    document = {"surroundings": asdict(surroundings(None)), "images_per_second": spreads}
    (options.out / "oip.json").write_text(dumped(document, indent=2) + "\n")
    for name, found in spreads.items():
        print(name, ", ".join(f"{who} {ranged(figure, number)}" for who, figure in found.items()))


if __name__ == "__main__":
    main()

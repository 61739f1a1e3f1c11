"""The results as a page of tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.harness.bars import Results, bar_cells, cell
from benchmarks.harness.figures import spread_of
from benchmarks.harness.printing import table_of
from benchmarks.harness.servers import NOW
from benchmarks.parallel.bars import CPU, OTHERS, P50, RATE
from benchmarks.parallel.undisturbed import MOST_ATTEMPTS, TOLERATED_CORES
from benchmarks.parallel.workload import BATCH_SIZES, WORKLOADS
from tandem.measure.report.tables.table import Cell

_COLUMNS = (
    ("images/s", RATE, 0),
    ("p50, ms", P50, 2),
    ("p99, ms", "p99_ms", 2),
    ("CPU ms a request", CPU, 3),
    ("client's CPU ms a request", "client_cpu_ms", 4),
    ("client's cores", "client_cores", 2),
    ("others' cores", OTHERS, 2),
)
_RATIOS = {
    "to_python_peer": "service as chosen over the best Python-hosted peer in float32",
    "to_python_peer_float32": "both in float32 in ONNX Runtime",
    "to_python_peer_int8": "both in int8 in OpenVINO: over mosec with batches of 16",
    "to_native": "service as chosen over the C++ reference in float32",
    "to_native_float32": "both in float32 in ONNX Runtime",
}
_HEAD = ("contender", *(name for name, *_ in _COLUMNS))
_NOTE = (
    "Each contender is started, must return the images of given latents, alone and beside others, is warmed up,"
    " measured in closed loop and stopped, while no other runs; the order changes from round to round. The client is"
    " compiled, has one thread, and runs with the highest priority that it gets. CPU: user and system time of all"
    f" processes of a contender. A load during which processes outside used more than {TOLERATED_CORES} cores is"
    f" repeated, at most {MOST_ATTEMPTS - 1} times, and the least disturbed one counts. Peers draw with ONNX Runtime"
    " in float32, one session of one thread a core, but for the mosec that is named otherwise."
    " Latents come from a seed, which the server expands; Triton is sent"
    " them. The whole product is the gateway, with Envoy, in front of the service, and no sequential backend."
)
_BAR_NOTE = (
    "Ratios (x) are of the same round, the first three to the best Python-hosted peer of that round: plain grpc.aio,"
    " mosec, Triton's Python backend. CPU beyond the pass: the service's CPU less the bare loop's for an image at batch"
    " 32."
)
_BARE_NOTE = (
    "One session of one thread a core, nothing around it. OpenVINO: static shapes, bfloat16 where it is native;"
    " int8: the model's int8 form."
)


def page(results: Results) -> str:
    """Return the page in Markdown."""
    bar_head = ("what", "figure", "bar", "aim", "met")
    ratio_head = ("ratio of images/s in the same round", *(workload.name for workload in WORKLOADS))
    bare_head = ("bare loop, images/s; CPU ms an image", *(f"batch {size}" for size in BATCH_SIZES))
    sections = (
        _head(results),
        f"## Bars\n\n{_BAR_NOTE}\n\n"
        + table_of(bar_head, [bar_cells(bar, results.spreads, NOW) for bar in results.bars]),
        "## Ratios\n\n"
        + table_of(ratio_head, _ratio_rows(results))
        + f"\np50 of one client over the C++ reference's: {_cell(results, 'p50_to_native', NOW, 2)}.",
        *(f"## {workload.shown}\n\n" + table_of(_HEAD, _rows(results, workload.name)) for workload in WORKLOADS),
        f"## Bare loops\n\n{_BARE_NOTE}\n\n" + table_of(bare_head, _bare_rows(results)),
    )
    return "\n".join(f"{each.rstrip()}\n" for each in sections)


def _head(results: Results) -> str:
    peers = ", ".join(f"{name} {value}" for name, value in results.more["peers"].items())
    notes = [f"{name} is missing: {reason}" for name, reason in results.more["absent"].items()]
    text = f" Tandem drew with {results.more['runtime']}. Peers: {peers}.\n\n{_NOTE}"
    return results.head("The parallel service beside its peers", text, notes)


def _ratio_rows(results: Results) -> Iterator[Sequence[str | Cell]]:
    for name, what in _RATIOS.items():
        yield what, *(_cell(results, f"{workload.name}.{name}", NOW, 2) for workload in WORKLOADS)


def _rows(results: Results, workload: str) -> Iterator[Sequence[str | Cell]]:
    for name in results.more["contenders"]:
        yield name, *(_cell(results, f"{workload}.{figure}", name, digits) for _, figure, digits in _COLUMNS)


def _bare_rows(results: Results) -> Iterator[Sequence[str | Cell]]:
    for name in results.more["loops"]:
        yield (
            name,
            *(
                f"{_cell(results, f'bare.{size}.{RATE}', name, 0)}; {_cell(results, f'bare.{size}.{CPU}', name, 3)}"
                for size in BATCH_SIZES
            ),
        )


def _cell(results: Results, figure: str, contender: str, digits: int) -> Cell:
    return cell(spread_of(results.spreads, figure, contender), 1, digits)

"""The results as Markdown for people: what was reached, the ratios, the details, and what it ran on."""

from collections.abc import Sequence

from benchmarks.harness.printing import audit_lines, table_of
from benchmarks.side_by_side.results import EngineRecord, Results
from benchmarks.side_by_side.workloads import Workload
from tandem.measure.formats import NONE, decimals
from tandem.measure.report.tables.table import Cell, value_cell

_LATENCIES = (("first_token", "p50"), ("gap", "p50"), ("gap", "p99"))


def page(results: Results) -> str:
    """Return the whole page."""
    about, audits = results.about, results.audited_runs.summary()
    left_out = [f"- {name}: {reason}" for name, reason in results.left_out.items()]
    parts = [
        "# Text engines side by side",
        f"{about['model']} on one machine in one run of {results.num_rounds} rounds, {about['surroundings'].date}. In"
        " each round every engine does each workload in turn while the others stand still; median (lowest to highest)"
        " over rounds. Written by `benchmarks/side_by_side/__main__.py`.",
        _reached(results),
        "## Ours against the best peer of each workload",
        "Times as good, round by round.",
        _ratios(results),
        "## Latencies, memory, start",
        _details(results),
        "Gaps are between messages that carry tokens. Memory is the sum over a server's processes of the most that each"
        " held (VmHWM), of the largest of an engine's servers. Agreement is the share of a float32 reference's greedy"
        " tokens that the engine chooses too. Client is the share of one core that the load generator took at 32"
        " streams: its compiled sender for what is asked by gRPC, the one in Python for what is asked over HTTP.",
        *audit_lines(audits),
        *(["## Left out", "\n".join(left_out)] if left_out else []),
        "## Machine",
        _machine(results),
    ]
    return "\n\n".join(parts) + "\n"


def _cell(engine: EngineRecord, workload: Workload, figure: str = "", scale: float = 1.0, digits: int = 2) -> str:
    return str(value_cell(engine.figures(workload.name).get(figure or workload.figure), decimals(digits, scale)))


def _reached(results: Results) -> str:
    digits = {workload: 0 if workload.is_higher_better else 3 for workload in results.workloads}
    rows = [
        (engine.name, *(_cell(engine, workload, digits=number) for workload, number in digits.items()))
        for engine in results.engines
    ]
    return table_of(("engine", *(workload.title for workload in digits)), rows)


def _ratios(results: Results) -> str:
    rows: list[Sequence[str | Cell]] = []
    for workload in results.workloads:
        found = [results.against_best(own, workload) for own in results.ours]
        best = next((pair[0] for pair in found if pair), NONE)
        cells = [value_cell(pair[1] if pair else None, decimals(2)) for pair in found]
        rows.append((workload.title, best, *cells))
    return table_of(["workload", "best peer", *(own.name for own in results.ours)], rows)


def _details(results: Results) -> str:
    workloads = {workload.name: workload for workload in results.workloads}
    header, columns = ["engine"], []
    for name, workload in workloads.items():
        if name.startswith("decode_"):
            header += [f"{name.removeprefix('decode_')}: first token p50, ms", "gap p50, ms", "gap p99, ms"]
            columns += [(workload, f"{each}_seconds_{rank}") for each, rank in _LATENCIES]
        if name == "disturbed_streams":
            header += ["long prompt's first token p50, ms"]
            columns += [(workload, "arriving_first_token_seconds_p50")]
    header += ["client", "peak MiB", "ready after, s", "agreement"]
    rows = [
        [
            engine.name,
            *(_cell(engine, workload, figure, 1e3, 1) for workload, figure in columns),
            _cell(engine, workloads["decode_32"], "client_cores") if "decode_32" in workloads else NONE,
            f"{engine.peak_mebibytes:.0f}",
            f"{engine.start_seconds:.0f}",
            NONE if engine.agreement is None else f"{engine.agreement:.1%}",
        ]
        for engine in results.engines
    ]
    return table_of(header, rows)


def _machine(results: Results) -> str:
    versions = {name: version for engine in results.engines for name, version in engine.versions.items()}
    text = results.about["text"]
    return (
        f"- {results.about['surroundings'].text}\n"
        f"- {', '.join(f'{name} {version}' for name, version in versions.items())}\n"
        f"- weights: SHA-256 {results.about['weights_sha256'][:16]}…; text: {text['package']},"
        f" SHA-256 {text['sha256'][:16]}…"
    )

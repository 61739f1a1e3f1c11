"""The results as Markdown for people: what was reached, the ratios, the details, and what it ran on."""

from bench.side_by_side.results import EngineRecord, Results
from bench.side_by_side.workloads import Workload
from bench.spread import shown

NONE = "-"


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table, numbers aligned to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(results: Results) -> str:
    """Return the whole page."""
    about = results.about
    left_out = [f"- {name}: {reason}" for name, reason in results.left_out.items()]
    parts = [
        "# Text engines side by side",
        f"{about['model']} on one machine in one run of {results.num_rounds} rounds, {about['started']}. In each round"
        " every engine does every work in turn while the others stand still; median (lowest to highest) over rounds."
        " Written by `bench/bench_text_peers.py`.",
        _reached(results),
        "## Ours against the best peer of each work",
        "Times as good, round by round.",
        _ratios(results),
        "## Latencies, memory, start",
        _details(results),
        "Gaps are between messages that carry tokens. Memory is the sum over a server's processes of the most that each"
        " held (VmHWM), of the largest of an engine's servers. Agreement is the share of a float32 reference's greedy"
        " tokens that the engine chooses too. Client is the share of one core that the client took at 32 streams.",
        *(["## Left out", "\n".join(left_out)] if left_out else []),
        "## Machine",
        _machine(results),
    ]
    return "\n\n".join(parts) + "\n"


def _cell(engine: EngineRecord, workload: Workload, figure: str = "", scale: float = 1.0, digits: int = 2) -> str:
    found = engine.figures(workload.name).get(figure or workload.figure)
    if found is None:
        return NONE
    return shown({key: float(f"{value * scale:.{digits}f}") for key, value in found.items()})


def _reached(results: Results) -> str:
    rows = [
        [
            engine.name,
            *(_cell(engine, work, digits=0 if work.is_higher_better else 3) for work in results.workloads),
        ]
        for engine in results.engines
    ]
    return markdown_table(["engine", *(work.title for work in results.workloads)], rows)


def _ratios(results: Results) -> str:
    rows = []
    for work in results.workloads:
        found = [results.against_best(own, work) for own in results.ours]
        best = next((pair[0] for pair in found if pair), NONE)
        rows.append([work.title, best, *(shown(pair[1]) if pair else NONE for pair in found)])
    return markdown_table(["work", "best peer", *(own.name for own in results.ours)], rows)


def _details(results: Results) -> str:
    works = {work.name: work for work in results.workloads}
    header, columns = ["engine"], []
    for name, work in works.items():
        if name.startswith("decode_"):
            header += [f"{name.removeprefix('decode_')}: first token p50, ms", "gap p50, ms"]
            columns += [(work, "first_token_seconds_p50"), (work, "gap_seconds_p50")]
        if name == "disturbed_streams":
            header += ["long prompt's first token p50, ms"]
            columns += [(work, "arriving_first_token_seconds_p50")]
    header += ["client", "peak MiB", "ready after, s", "agreement"]
    rows = [
        [
            engine.name,
            *(_cell(engine, work, figure, 1e3, 1) for work, figure in columns),
            _cell(engine, works["decode_32"], "client_cores") if "decode_32" in works else NONE,
            f"{engine.peak_memory_bytes / 2**20:.0f}",
            f"{engine.start_seconds:.0f}",
            NONE if engine.agreement is None else f"{engine.agreement:.1%}",
        ]
        for engine in results.engines
    ]
    return markdown_table(header, rows)


def _machine(results: Results) -> str:
    machine = results.about["machine"]
    versions = {name: version for engine in results.engines for name, version in engine.versions.items()}
    lines = [
        f"{machine['cpu_model']}, {machine['num_usable_cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB",
        f"instructions: {', '.join(machine['instructions'])}",
        f"{machine['operating_system']}, {machine['python']}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"weights: SHA-256 {results.about['weights_sha256'][:16]}…; text: {results.about['text']['package']},"
        f" SHA-256 {results.about['text']['sha256'][:16]}…",
    ]
    return "\n".join(f"- {line}" for line in lines)

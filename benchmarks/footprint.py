"""Memory of the three processes under load, and the time each takes to be ready.

    python -m benchmarks.footprint

Starts them as `tandem up` does, runs 32 texts of 512 tokens (prompt and output) and 64 requests of 64 images at the
same time, and prints each process's peak. The last line of stdout is JSON.
"""

import asyncio
import time
from contextlib import ExitStack

from benchmarks.harness.memory import PEAK, mebibytes
from benchmarks.harness.printing import show
from benchmarks.harness.processes import free_port, serving
from benchmarks.harness.scenarios import closed
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import generator
from tandem.measure.report.tables.table import Row, Table
from tandem.measure.results.audits import Audits
from tandem.measure.workload_text import parse_workload

TEXT_MODEL = "smollm2-135m-instruct"
TEXTS = parse_workload(f"text,model={TEXT_MODEL},prompt=400,tokens=112")
IMAGES = parse_workload("images,images=64")
DRAIN_SECONDS = 300.0


async def load(address: str) -> Audits:
    """Fill the KV cache and the batcher at once; return what the load generators say of themselves."""
    audited_runs = AuditedRuns(most_attempts=1)
    async with generator(address) as texts, generator(address) as images:
        await asyncio.gather(
            audited_runs.run(texts, "texts", closed(TEXTS, 32, num_requests=32, drain_seconds=DRAIN_SECONDS)),
            audited_runs.run(images, "images", closed(IMAGES, 64, num_requests=64, drain_seconds=DRAIN_SECONDS)),
        )
    return audited_runs.summary()


def main() -> None:
    ar, gan, gateway = free_port(), free_port(), free_port()
    targets = ("--ar-targets", f"127.0.0.1:{ar}", "--gan-targets", f"127.0.0.1:{gan}")
    plan = (
        ("services.ar", ar, "--metrics-port", str(free_port())),
        ("services.gan", gan, "--metrics-port", str(free_port())),
        ("gateway", gateway, "--http-port", str(free_port()), *targets),
    )
    ready, peaks = {}, {}
    with ExitStack() as stack:
        pids = {}
        for module, port, *flags in plan:
            started = time.monotonic()
            pids[module] = stack.enter_context(serving(module, "--port", str(port), *flags, port=port)).pid
            ready[module] = round(time.monotonic() - started, 2)
        audits = asyncio.run(load(f"127.0.0.1:{gateway}"))
        peaks = {module: round(mebibytes(pid)[PEAK], 1) for module, pid in pids.items()}
    rows = [Row((module, str(peak), str(ready[module]))) for module, peak in peaks.items()]
    rows.append(Row(("together", str(round(sum(peaks.values()), 1)), "")))
    report = {"benchmark": "footprint", "peak_mebibytes": peaks, "ready_seconds": ready}
    table = Table(("process", "peak memory, MiB", "ready after, s"), rows)
    show(table, report, audits)


if __name__ == "__main__":
    main()

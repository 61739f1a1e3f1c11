"""The real processes, each on free ports: what every test here begins with."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.harness.processes import free_port, serving


@dataclass(frozen=True)
class Stack:
    """Where the processes are; `metrics` has the address of each one's /metrics by the name of its job."""

    address: str
    metrics: dict[str, str]

    @property
    def web(self) -> str:
        return f"http://{self.metrics['gateway']}"


@contextmanager
def running_stack(
    ar: Sequence[str] | None = (), gan: Sequence[str] | None = (), gateway: Sequence[str] = ()
) -> Iterator[Stack]:
    """Run the backends with these flags, None: not that one, and the gateway in front of them."""
    metrics = {job: f"127.0.0.1:{free_port()}" for job in ("gateway", "ar", "gan")}
    port, targets = free_port(), []
    with ExitStack() as processes:
        for job, flags in (("ar", ar), ("gan", gan)):
            backend = free_port()
            targets += [f"--{job}-targets", "" if flags is None else f"127.0.0.1:{backend}"]
            if flags is not None:
                places = ("--port", str(backend), "--metrics-port", metrics[job].split(":")[1])
                processes.enter_context(serving(f"services.{job}", *flags, *places, port=backend))
        places = ("--port", str(port), "--http-port", metrics["gateway"].split(":")[1])
        processes.enter_context(serving("gateway", *places, *targets, *gateway, port=port))
        yield Stack(f"127.0.0.1:{port}", metrics)

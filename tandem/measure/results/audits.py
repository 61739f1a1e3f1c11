"""Whether the load generator itself was good enough, in one run and in several."""

from typing import Literal

from tandem.measure.results.distributions import Summary
from tandem.measure.results.value import Part


class Check(Part):
    """One bound that the generator holds itself to."""

    name: str
    value: float
    bound: float
    passed: bool
    text: str


class ProcessUse(Part):
    """What one process of the generator used from the warm-up's start to the last reply."""

    cpu_seconds: float
    wall_seconds: float
    cpu_share: float  # of one core
    num_requests: int
    cpu_seconds_per_request: float | None
    is_real_time: bool = False  # the system let it go first, see tandem.measure.generator.priority
    sender: Literal["compiled", "Python"] = "Python"  # Python: HTTP, TLS, or where nothing can be compiled


class Audit(Part):
    """Whether the generator itself was good enough. lateness: actual after intended start, of all that was sent;
    loop_lag: how late the sender woke for a heartbeat, so late at the most any message may have been seen.
    """

    valid: bool
    checks: tuple[Check, ...]
    lateness: Summary
    loop_lag: Summary
    max_outstanding: int
    processes: tuple[ProcessUse, ...]


class Audits(Part):
    """What the audits of all runs of a document come to. num_repeated: runs that were thrown away since their audit
    failed. invalid: runs whose audit failed each time, and why; their figures are in the result all the same. The rest
    is of the worst run.
    """

    num_runs: int
    num_repeated: int
    invalid: tuple[str, ...]
    lateness_p50_seconds: float | None
    loop_lag_p50_seconds: float | None
    cpu_share: float | None  # of one core, in the busiest process
    is_real_time: bool

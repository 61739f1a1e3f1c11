"""What must be said of any document: how good the generator was, and what went wrong."""

from collections.abc import Iterator

from tandem.measure.formats import known, seconds
from tandem.measure.results.audits import Audits
from tandem.measure.results.header import Header

LOCAL = "Generator and servers shared the cores of one machine: what the generator took, the servers did not have."


def audit_text(audits: Audits) -> str:
    """Return how good the generator was; empty without a run."""
    if not audits.num_runs:
        return ""
    lateness, lag = (known(each, seconds) for each in (audits.lateness_p50_seconds, audits.loop_lag_p50_seconds))
    return (
        f"The load generator, in processes of its own, audited itself in each of {audits.num_runs} runs:"
        f" {audits.num_repeated} repeated, {len(audits.invalid)} invalid; at worst {lateness} late and its event"
        f" loop {lag} (medians of a run), {audits.cpu_share or 0.0:.0%} of a core."
    )


def audit_problem(audits: Audits) -> str:
    """Return that runs were not measured well; empty if all were."""
    if not audits.invalid:
        return ""
    return (
        f"INVALID: the load generator was not good enough in {len(audits.invalid)} of {audits.num_runs} runs"
        f" ({audits.num_repeated} were repeated), and what rests on them is unsure: {'; '.join(audits.invalid)}"
    )


def problems(document: Header) -> Iterator[str]:
    """Yield what is wrong with a document, each thing in a line."""
    if document.is_partial:
        yield "PARTIAL: this measurement did not go to its end"
    if problem := audit_problem(document.audits):
        yield problem
    yield from document.problems

"""What a run of the load generator says of itself and of the server."""

from tandem.measure.formats import NONE, count, seconds, share
from tandem.measure.results.load import Document

MOST_LOST = 0.01
"""Where a server refuses or loses a larger share of the requests, a backlog that does not grow says nothing."""


def load_text(document: Document) -> str:
    """Return the load."""
    load = document.scenario.load
    if load.loop == "open":
        end = f" to {load.end_rate_per_second:g}" if load.end_rate_per_second else ""
        return f"open loop, {load.arrivals}, {load.rate_per_second:g}{end} requests/s"
    end = f" to {load.end_concurrency}" if load.end_concurrency else ""
    return f"closed loop, {load.concurrency}{end} at a time"


def generator_text(document: Document) -> str:
    """Return what the generator itself did and cost."""
    audit = document.audit
    late = NONE if audit.lateness.p50 is None else seconds(audit.lateness.p50)
    used = sum(each.cpu_seconds for each in audit.processes)
    number = sum(each.num_requests for each in audit.processes)
    busiest = max(each.cpu_share for each in audit.processes)
    cost = f", {seconds(used / number)} of CPU a request" if number else ""
    return (
        f"generator: {late} late at p50, {busiest:.0%} of a core{cost}, {count(audit.max_outstanding)} under way at the"
        " most"
    )


def backlog_text(document: Document) -> str:
    """Return whether the server keeps up; empty where nobody can tell."""
    found = document.backlog
    if found is None:
        return ""
    planned = sum(stream.outcomes.planned for stream in document.streams)
    lost = planned - sum(stream.outcomes.ok + stream.outcomes.cancelled for stream in document.streams)
    if not found.grows and (document.is_partial or lost > MOST_LOST * planned):
        why = "the run was broken off"
        if not document.is_partial:
            why = f"{share(lost / planned)} of the requests did not end well"
        return f"whether the server keeps up cannot be told, as {why}"
    verdict = "DOES NOT KEEP UP" if found.grows else "keeps up"
    slope = found.slope_per_second
    interval = f"{slope.low:+,.3g} to {slope.high:+,.3g} with 99 % confidence"
    return f"the server {verdict}: its backlog changes by {slope.value:+,.3g} requests a second ({interval})"


def counting_text(document: Document) -> str:
    """Return which tokens nobody has counted; empty where all were told, as Tandem's own servers tell them."""
    parts = [
        f"{stream.name}: of {count(stream.num_uncounted)} answers the server told no number of tokens; each message"
        " that carries text counts as one"
        for stream in document.streams
        if stream.num_uncounted
    ]
    return "; ".join(parts)


def control_text(document: Document) -> str:
    """Return how far equal runs differ here; empty without a control, or if no figure of it can be compared."""
    found = document.control
    if found is None or not found.differences:
        return ""
    least = "; ".join(f"{each.stream}, {each.figure}: {share(each.least)}" for each in found.differences)
    return f"two runs like this differ by chance by up to (95 % confidence): {least}"


def verdict(document: Document) -> str:
    """Return whether the run is any good, and why it is not."""
    failed = [check.text for check in document.audit.checks if not check.passed]
    words = ["PARTIAL"] if document.is_partial else []
    if not document.audit.valid:
        words.append(f"INVALID: {'; '.join(failed)}")
    return ". ".join((*words, *document.problems)) or "valid"

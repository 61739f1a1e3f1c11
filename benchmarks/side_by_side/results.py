"""What was measured: figures by engine, workload and round; their spread, and ours as ratios to the peers'."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.side_by_side.workloads import Figures, Workload
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import over_rounds


@dataclass
class EngineRecord:
    """One engine: what it is, and what it did in each round."""

    name: str
    is_ours: bool
    versions: dict[str, str]
    command: str = ""
    agreement: float | None = None
    start_seconds: float = 0.0
    peak_mebibytes: float = 0.0
    rounds: dict[str, dict[int, Figures]] = field(default_factory=dict)  # by workload and round

    def add(self, workload: str, number: int, figures: Figures) -> None:
        self.rounds.setdefault(workload, {})[number] = figures

    def figures(self, workload: str) -> dict[str, Value]:
        """Return the spread over rounds of each figure of a workload."""
        rounds = list(self.rounds.get(workload, {}).values())
        return {name: over_rounds([each[name] for each in rounds]) for name in (rounds[0] if rounds else {})}


def ratio(own: EngineRecord, peer: EngineRecord, workload: Workload) -> Value | None:
    """Return how many times as good ours was, round by round; None if no round has both."""
    ours, theirs = own.rounds.get(workload.name, {}), peer.rounds.get(workload.name, {})
    pairs = [(ours[number][workload.figure], theirs[number][workload.figure]) for number in ours if number in theirs]
    values = [a / b if workload.is_higher_better else b / a for a, b in pairs]
    return over_rounds(values) if values else None


def best_peer(peers: Iterable[EngineRecord], workload: Workload) -> EngineRecord | None:
    """Return the peer with the best median, if any did this workload."""
    choose = max if workload.is_higher_better else min
    those = [peer for peer in peers if workload.name in peer.rounds]
    return choose(those, key=lambda peer: peer.figures(workload.name)[workload.figure].value, default=None)


@dataclass
class Results:
    """A run, as far as it has come."""

    about: dict[str, Any]
    workloads: tuple[Workload, ...]
    engines: list[EngineRecord] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    num_rounds: int = 0
    audited_runs: AuditedRuns = field(default_factory=AuditedRuns)

    @property
    def ours(self) -> list[EngineRecord]:
        return [engine for engine in self.engines if engine.is_ours]

    @property
    def peers(self) -> list[EngineRecord]:
        return [engine for engine in self.engines if not engine.is_ours]

    def against_best(self, own: EngineRecord, workload: Workload) -> tuple[str, Value] | None:
        """Return the best peer's name and our ratio to it."""
        peer = best_peer(self.peers, workload)
        found = ratio(own, peer, workload) if peer is not None else None
        return (peer.name, found) if peer is not None and found is not None else None

    def document(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return {
            "benchmark": "text_peers",
            **self.about,
            "rounds": self.num_rounds,
            "audits": self.audited_runs.summary(),
            "left_out": self.left_out,
            "engines": {engine.name: self._engine(engine) for engine in self.engines},
            "ratios": {own.name: self._ratios(own) for own in self.ours},
        }

    def _engine(self, engine: EngineRecord) -> dict[str, Any]:
        return {
            "is_ours": engine.is_ours,
            "versions": engine.versions,
            "command": engine.command,
            "agreement_with_float32": engine.agreement,
            "start_seconds": round(engine.start_seconds, 1),
            "peak_memory_mib": round(engine.peak_mebibytes),
            "workloads": {workload.name: engine.figures(workload.name) for workload in self.workloads},
            "each_round": engine.rounds,
        }

    def _ratios(self, own: EngineRecord) -> dict[str, Any]:
        found = {}
        for workload in self.workloads:
            if best := self.against_best(own, workload):
                to_each = {peer.name: each for peer in self.peers if (each := ratio(own, peer, workload))}
                found[workload.name] = {"best_peer": best[0], "to_best": best[1], "to_each": to_each}
        return found

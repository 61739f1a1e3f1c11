"""Figures that vLLM has as well, once more under its names, so that what was made for vLLM finds them: dashboards,
autoscalers, routers' pickers of replicas.

A backend has those of its engine, the gateway those of requests. Both have vLLM's label `model_name`; `engine` is 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric


@dataclass(frozen=True)
class Source:
    """A family of ours, the samples of it that count, by their labels, and what others of vLLM's labels stand for."""

    family: str
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


_TEXTS = {"paradigm": ("sequential",), "rpc": ("Generate", "Complete")}
_FINISHED = {**_TEXTS, "code": ("OK",)}


def _phase(name: str) -> Source:
    return Source("tandem_phase_seconds", {"paradigm": ("sequential",), "phase": (name,)})


SOURCES = {
    "num_requests_waiting": Source("tandem_sequences_waiting"),
    "num_requests_running": Source("tandem_sequences_running"),
    "kv_cache_usage_perc": Source("tandem_kv_cache_usage_ratio"),
    "num_preemptions": Source("tandem_preemptions"),
    "prefix_cache_queries": Source("tandem_prompt_tokens"),
    "prefix_cache_hits": Source("tandem_prompt_cached_tokens"),
    "spec_decode_num_draft_tokens": Source("tandem_drafted_tokens"),
    "spec_decode_num_accepted_tokens": Source("tandem_drafted_accepted_tokens"),
    "time_to_first_token_seconds": Source("gen_ai_server_time_to_first_token_seconds", _TEXTS),
    "inter_token_latency_seconds": Source("gen_ai_server_time_per_output_token_seconds", _TEXTS),
    "request_time_per_output_token_seconds": Source("gen_ai_server_time_per_output_token_seconds", _TEXTS),
    "e2e_request_latency_seconds": Source("gen_ai_server_request_duration_seconds", _FINISHED),
    "request_queue_time_seconds": _phase("queue"),
    "request_prefill_time_seconds": _phase("prefill"),
    "request_decode_time_seconds": _phase("decode"),
    "request_prompt_tokens": Source("tandem_request_tokens", {"kind": ("input",)}),
    "request_generation_tokens": Source("tandem_request_tokens", {"kind": ("output",)}),
    "prompt_tokens": Source("tandem_prompt_tokens"),
    "generation_tokens": Source("tandem_outputs", {"paradigm": ("sequential",), "unit": ("token",)}),
    "request_success": Source("tandem_requests", _FINISHED, {"finished_reason": "code"}),
}
"""By vLLM's name, without `vllm:` and suffixes. Where vLLM has each gap between tokens, this has a request's mean."""


class VllmNames(CollectorRegistry):
    """A registry whose page has the families of SOURCES twice."""

    def collect(self) -> Iterator[Metric]:
        families = list(super().collect())
        yield from families
        yield from renamed(families)


def with_colons(page: bytes) -> bytes:
    """Return a page of metrics whose samples have the names that they were given.

    prometheus_client 0.26 writes their colons as underscores in OpenMetrics (client_python, issue 1177).
    """
    return page.replace(b"\nvllm_", b"\nvllm:")


def renamed(families: Iterable[Metric]) -> Iterator[Metric]:
    """Yield those of SOURCES, the samples of one model added up that differ in labels which vLLM does not have."""
    by_name = {family.name: family for family in families}
    for name, source in SOURCES.items():
        if (family := by_name.get(source.family)) is not None:
            yield _renamed(f"vllm:{name}", source, family)


def _renamed(name: str, source: Source, family: Metric) -> Metric:
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = defaultdict(float)
    for sample in family.samples:
        own = sample.labels
        if sample.name.endswith("_created") or any(
            own[label] not in accepted for label, accepted in source.where.items()
        ):
            continue
        labels = {"model_name": own["model"], "engine": "0"} | {its: own[ours] for its, ours in source.labels.items()}
        if "le" in own:
            labels["le"] = own["le"]
        values[sample.name.removeprefix(source.family), tuple(labels.items())] += sample.value
    result = Metric(name, f"{family.name}, by the name that vLLM has for it.", family.type)
    for (suffix, pairs), value in values.items():
        result.add_sample(name + suffix, dict(pairs), value)
    return result

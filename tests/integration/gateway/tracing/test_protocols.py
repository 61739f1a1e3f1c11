"""Requests that come in another way than by gRPC belong to their callers' traces as well."""

from __future__ import annotations

import pytest

from tests.integration.gateway.running import RunningGateway
from tests.integration.gateway.tracing.collector import Collector, attributes
from tests.integration.gateway.tracing.test_spans import SAMPLED, SPAN, TRACE
from tests.integration.gateway.ways import WAYS


@pytest.mark.parametrize("way", WAYS)
async def test_the_callers_span_is_the_parent(traced: RunningGateway, collector: Collector, way: str) -> None:
    assert (await WAYS[way](traced, "a", dict(SAMPLED))).status == 200
    [span] = await collector.requests(1)
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, SPAN, "vendor=1")
    assert attributes(span)["tandem.transport"] == way.partition(" ")[0]


@pytest.mark.parametrize("way", WAYS)
async def test_without_a_parent_the_request_is_the_first_span(
    traced: RunningGateway, collector: Collector, way: str
) -> None:
    await WAYS[way](traced, "a", {})
    await WAYS[way](traced, "a", {"traceparent": "nonsense", "tracestate": "a=b"})
    spans = await collector.requests(2)
    assert [span.parent_span_id for span in spans] == [b"", b""]
    assert spans[0].trace_id != spans[1].trace_id

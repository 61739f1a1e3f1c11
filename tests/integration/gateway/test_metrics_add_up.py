"""What Prometheus says is what the clients saw."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from tests.integration.gateway.fakes import (
    SAMPLE,
    SAMPLE_STREAM,
)
from tests.integration.gateway.running import RunningGateway


async def finish(call: Any) -> str:
    """Return the code that this call's client saw."""
    try:
        await call if hasattr(call, "__await__") else [message async for message in call]
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def test_images_are_counted_not_messages(gateway: RunningGateway) -> None:
    await gateway.unary(SAMPLE, b"\x10\x07")
    [_ async for _ in gateway.stream(SAMPLE_STREAM, b"\x0a\x02\x10\x03")]
    await gateway.until_idle()
    assert gateway.value("tandem_outputs_total", paradigm="parallel", model="fake-<gan>", unit="image") == 10
    assert gateway.value("tandem_time_to_first_output_seconds_count", rpc="Sample", streaming="false") == 1
    assert gateway.value("tandem_time_to_first_output_seconds_count", rpc="SampleStream", streaming="true") == 1
    assert gateway.value("gen_ai_server_time_to_first_token_seconds_count") == 0


@pytest.mark.parametrize(
    ("asked", "label"), [(b"", "fake-<gan>"), (b"fake-<gan>", "fake-<gan>"), (b"../../x", "unknown")]
)
async def test_model_label_is_from_a_closed_set(gateway: RunningGateway, asked: bytes, label: str) -> None:
    await finish(gateway.unary(SAMPLE, b"\x0a" + bytes([len(asked)]) + asked))
    await gateway.until_idle()
    assert gateway.value("tandem_requests_total", model=label) == gateway.value("tandem_requests_total") == 1

"""Whole studies of texts: of a server whose steps cost what they are said to, and of a real one with a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import ProcessCollector, start_http_server

from services.ar.settings import ArSettings
from tandem.measure.results.text import Settings, TextStudy
from tandem.measure.studies.study import ignore
from tandem.measure.studies.text.document import text_document
from tandem.measure.studies.text.study import measure_text
from tandem.shared.errors import ExpectedError, NotFound
from tests.effort import Effort
from tests.integration.services.ar.conftest import serving
from tests.integration.tandem.fakes import fake_gateway
from tests.integration.tandem.measure.generator.servers import serving as process
from tests.tiny_models import add_to_repository

STEPPING = "tests.integration.tandem.measure.studies.text.stepping"


async def measured(address: str, page: str, **given: Any) -> TextStudy:
    settings = Settings.model_validate({"trial_seconds": 0.1, "new_tokens": 16, "num_rounds": 1, **given})
    return text_document(await measure_text(address, settings, {"gateway": page, "sequential": page}, [], ignore))


async def stepping(*seconds: float, **given: Any) -> TextStudy:
    with process(STEPPING, *map(str, seconds)) as server:
        assert server.process.stdout is not None
        return await measured(server.address, f"127.0.0.1:{int(server.process.stdout.readline())}", **given)


async def test_who_asks_for_more_tokens_a_step_gets_them() -> None:
    found = await stepping(0.005, 0.0001, tokens_per_step=(2, 4), concurrencies=(1, 2, 4), fitted_at=(1, 4))
    assert found.problems == ()
    assert found.settings.tokens_per_step == (1, 2, 4)
    assert [mode.name for mode in found.modes] == ["K = 1", "K = 2", "K = 4", "checked"]
    expected = [(1.0, (4 + 15) / 16), (16 / 9, (4 + 8 * 4) / 9), (16 / 5, (4 + 4 * 8) / 5), (16 / 9, (4 + 8 * 3) / 9)]
    for mode, (tokens, rows) in zip(found.modes, expected, strict=True):
        for point in mode.curve:
            assert point.figures["tokens_per_step"].value == pytest.approx(tokens)
            assert point.figures["rows_per_step"].value == pytest.approx(rows)
            assert point.num_errors == 0
        assert mode.predicted.keys() == {2}
    assert found.step is not None
    bits = [mode.bits_per_token.value for mode in found.modes if mode.bits_per_token]
    assert bits == pytest.approx([1.4427, 2 * 1.4427, 4 * 1.4427, 1.4427], rel=1e-4)


async def test_the_crossover_is_where_the_cost_of_rows_puts_it(effort: Effort) -> None:
    if not effort.is_full:
        pytest.skip("takes a minute")
    found = await stepping(0.02, 0.0004, tokens_per_step=(1, 2, 4), num_rounds=2, trial_seconds=0.3)
    for mode in found.modes[1:3]:
        assert mode.predicted_limit is not None
        assert mode.predicted_limit.callers == pytest.approx(25, rel=0.2)
        assert mode.miss is not None
        assert mode.miss < 1.25


@pytest.mark.parametrize("window", [None, 0, 12])
async def test_a_real_model(tmp_path: Path, window: int | None) -> None:
    add_to_repository(tmp_path, window=window)
    settings = ArSettings(models_dir=tmp_path, models=["tiny"], max_context_tokens=256, kv_cache_tokens=2048)
    async with serving(settings) as backend:
        ProcessCollector(registry=backend.registry)
        server, _ = start_http_server(0, "127.0.0.1", backend.registry)
        given = {"concurrencies": (1, 2, 4), "fitted_at": (1, 4), "tokens_per_step": (1, 4)}
        found = await measured(backend.address, f"127.0.0.1:{server.server_port}", **given)
        server.shutdown()
        server.server_close()
    assert found.problems == ()
    assert found.settings.new_tokens == (window or 16)
    assert [mode.name for mode in found.modes] == ["K = 1", *["K = 4"] * (window is not None), "checked"]
    for mode in found.modes:
        for point in mode.curve:
            assert point.num_errors == 0
            brought = point.figures["tokens_per_step"].value
            assert brought == pytest.approx(1.0) if mode.name == "K = 1" else brought >= 1.0
        assert mode.bits_per_token is not None
        assert mode.bits_per_byte is not None
    assert found.num_scored > 0


async def test_a_model_that_is_not_served_is_refused() -> None:
    async with fake_gateway() as gateway:
        with pytest.raises(ExpectedError, match="model: other is not served; text models there: fake-text"):
            await measure_text(gateway.address, Settings(model="other"), {}, [], ignore)


async def test_a_server_that_refuses_all_ends_the_study() -> None:
    async with fake_gateway() as gateway:
        gateway.sequential.error = NotFound("fake-text", [])
        found = text_document(await measure_text(gateway.address, Settings(trial_seconds=0.1), {}, [], ignore))
    assert found.is_partial
    assert "none of" in found.reason
    assert any("NOT_FOUND" in problem for problem in found.problems)
    assert all(mode.curve == () for mode in found.modes)

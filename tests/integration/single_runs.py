"""One run of the load generator, with processes of its own."""

import asyncio

from tandem.measure.generator.generator import generator
from tandem.measure.generator.run import RunResult
from tandem.measure.scenario import Scenario


async def run_once(address: str, scenario: Scenario, stop: asyncio.Event | None = None) -> RunResult:
    """Return what one scenario comes to; raises what `Generator.run` does."""
    async with generator(address, stop) as made:
        return await made.run(scenario)

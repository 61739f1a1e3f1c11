"""What a process of the generator must know before it can begin."""

import secrets

from pydantic import BaseModel, ConfigDict, Field

from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Scenario
from tandem.measure.trace import TraceRow


class Plan(BaseModel):
    """A scenario whose workloads all name a model that is served at `address`.

    `requests`: serialised request messages of each workload, sent in turn instead of drawn ones; empty: of none.
    `trace`: requests that come when it says. `prompt_salt`: changes how each part of a drawn prompt begins, so that no
    prefix cache knows it from an earlier load. Otherwise lengths, arrivals and seeds come from the scenario alone.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    address: str
    scenario: Scenario
    models: tuple[ServedModel, ...]
    requests: tuple[tuple[bytes, ...], ...] = ()
    trace: tuple[TraceRow, ...] = ()
    prompt_salt: int = Field(default_factory=lambda: secrets.randbits(31))

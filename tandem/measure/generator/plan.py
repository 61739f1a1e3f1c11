"""What a process of the generator must know before it can begin."""

from pydantic import BaseModel, ConfigDict

from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Scenario


class Plan(BaseModel):
    """A scenario whose workloads all name a model that is served at `address`.

    `requests`: serialised request messages of each workload, sent in turn instead of drawn ones; empty: of none.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    address: str
    scenario: Scenario
    models: tuple[ServedModel, ...]
    requests: tuple[tuple[bytes, ...], ...] = ()

"""What a plan sends."""

from tandem.ar.v1 import ar_pb2
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.requests.endpoints import endpoints_of
from tandem.measure.generator.schedule.request_sequence import RequestSequence
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Scenario

SCENARIO = Scenario.model_validate(
    {
        "workloads": [{"kind": "text", "delivery": "streamed", "model": "text", "prompt_tokens": 8}],
        "load": {"loop": "closed", "concurrency": 1},
        "num_requests": 1,
    }
)
MODEL = ServedModel(paradigm="sequential", name="text", modality="text", max_context_tokens=64, vocab_size=50_000)


def first_request(prompt_salt: int | None = None) -> ar_pb2.GenerateRequest:
    given = {} if prompt_salt is None else {"prompt_salt": prompt_salt}
    plan = Plan(address="127.0.0.1:1", scenario=SCENARIO, models=(MODEL,), **given)
    [endpoint] = endpoints_of(Plan.model_validate_json(plan.model_dump_json()))
    return ar_pb2.GenerateRequest.FromString(endpoint.make(RequestSequence(SCENARIO)[0]))


def test_the_salt_of_a_load_changes_how_its_prompts_begin_and_nothing_else() -> None:
    first, second = first_request(prompt_salt=1), first_request(prompt_salt=2)
    assert len(first.tokens.ids) == 8
    assert first.tokens.ids[0] != second.tokens.ids[0]
    del first.tokens.ids[0], second.tokens.ids[0]
    assert first == second

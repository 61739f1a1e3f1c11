import re

import pytest

from tandem.measure.scenario import Scenario
from tandem.measure.workload_text import parse_workload
from tandem.shared.errors import ExpectedError
from tandem.shared.validation_errors import explain_errors
from tests.unit.tandem.measure.scenarios import IMAGES, closed_scenario, open_scenario


def reason(make, **settings):
    with pytest.raises(ExpectedError) as caught, explain_errors():
        make(**settings)
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "settings", "text"),
    [
        (open_scenario, {"rate": -1.0}, "rate_per_second: -1.0 is not accepted"),
        (open_scenario, {"rate": float("nan")}, "rate_per_second: nan is not accepted"),
        (open_scenario, {"rate": 1e9}, "at most 20,000,000 are accepted"),
        (open_scenario, {"duration_seconds": None}, "give at least one of them"),
        (open_scenario, {"num_requests": 5, "end_rate_per_second": 9.0}, "a ramp needs it"),
        (open_scenario, {"num_requests": 0}, "num_requests: 0 is not accepted"),
        (open_scenario, {"workloads": (IMAGES, IMAGES)}, "two are the same"),
        (open_scenario, {"workloads": ()}, "workloads: () is not accepted"),
        (closed_scenario, {"concurrency": 0}, "concurrency: 0 is not accepted"),
        (closed_scenario, {"concurrency": 2, "num_processes": 3}, "num_processes: 3 is not accepted"),
        (open_scenario, {"colour": 1}, "colour: 1 is not accepted"),
    ],
)
def test_bad_settings_are_named_with_their_value(make, settings, text):
    assert text in reason(make, **settings)


def test_a_scenario_survives_its_json():
    scenario = open_scenario(workloads=(IMAGES, parse_workload("text,tokens=geometric:20,slo=2")), num_processes=3)
    assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario


def test_images_alone_are_drawn_in_steps():
    workload = parse_workload("image,unary,model=m,steps=8")
    assert (workload.steps, workload.name) == (8, "image m 8 steps unary")
    assert Scenario.model_validate(
        closed_scenario(workloads=(workload, parse_workload("image,unary,model=m"))).model_dump()
    )
    for text in ("text,steps=8", "images,steps=8", "image,steps=0", "image,steps=few"):
        with pytest.raises(ExpectedError, match="steps"):
            parse_workload(text)
    with pytest.raises(ExpectedError, match="steps: 8 is not accepted for image by openai; accepted: for Tandem's"):
        parse_workload("image,unary,steps=8", api="openai")


def test_a_workload_is_written_in_a_line():
    workload = parse_workload(
        "text,unary,model=m,weight=2,tokens=geometric:64,prompt=8,slo=2,slo-first=.5,cancel=.1,cancel-after=1:3"
    )
    assert (workload.kind, workload.delivery, workload.model, workload.weight, workload.rpc) == (
        "text",
        "unary",
        "m",
        2.0,
        "Complete",
    )
    assert (str(workload.output_tokens), str(workload.prompt_tokens)) == ("geometric:64", "8")
    assert (workload.slo_seconds, workload.slo_first_output_seconds) == (2.0, 0.5)
    assert (workload.cancel_share, workload.cancel_after_seconds) == (0.1, (1.0, 3.0))
    assert [parse_workload(kind).rpc for kind in ("text", "image", "images", "images,streamed")] == [
        "Generate",
        "Generate",
        "Sample",
        "SampleStream",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sound", "'sound' is no kind of workload"),
        ("images,tokens=3", "'tokens=3' is not accepted for images"),
        ("text,images=3", "'images=3' is not accepted for text"),
        ("images,fast", "'fast' is not accepted"),
        ("images,weight=0", "weight: '0' is not accepted"),
        ("images,slo=x", "slo_seconds: 'x' is not accepted"),
        ("images,cancel=2", "cancel_share: '2' is not accepted"),
        ("images,cancel-after=3:1", "3 to 1 is not accepted"),
        ("images,images=0", "'0' is not accepted"),
    ],
)
def test_a_workload_that_makes_no_sense_is_refused(text, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_workload(text)

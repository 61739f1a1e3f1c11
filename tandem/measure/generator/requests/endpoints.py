"""The workloads of a scenario as a sender takes them: where each goes, how its requests are made, and its replies
read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.requests.apis import oip, openai
from tandem.measure.generator.requests.apis.reading import ApiReading
from tandem.measure.generator.requests.feeder import MessageOf
from tandem.measure.generator.requests.messages import request_maker
from tandem.measure.generator.requests.reading import READINGS, MessagesAlone, Reading
from tandem.measure.generator.requests.served import model_of
from tandem.measure.generator.schedule.request_sequence import RequestSpec
from tandem.measure.generator.sending.columns import WHOLE_MESSAGE
from tandem.measure.generator.sending.sender import Route
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Scenario, Workload

_SERVICES = {
    "sequential": ar_pb2.DESCRIPTOR.services_by_name["AutoregressiveService"].full_name,
    "parallel": gan_pb2.DESCRIPTOR.services_by_name["GanService"].full_name,
}


@dataclass(frozen=True)
class Endpoints:
    """One entry a workload, in the order of the scenario."""

    routes: tuple[Route, ...]
    makers: tuple[MessageOf, ...]
    readings: tuple[Reading | MessagesAlone, ...]


def endpoints_of(plan: Plan) -> Endpoints:
    """Return those of a plan."""
    scenario, models, given = plan.scenario, plan.models, plan.requests or ((),) * len(plan.scenario.workloads)
    readings = tuple(_reading(workload) for workload in scenario.workloads)
    routes = (
        _route(workload, reading, scenario) for workload, reading in zip(scenario.workloads, readings, strict=True)
    )
    makers = (
        in_turn(messages) if messages else _maker(workload, models, plan.prompt_salt)
        for workload, messages in zip(scenario.workloads, given, strict=True)
    )
    return Endpoints(tuple(routes), tuple(makers), readings)


def _route(workload: Workload, reading: Reading | MessagesAlone, scenario: Scenario) -> Route:
    kept = (WHOLE_MESSAGE,) if scenario.keep_replies and not isinstance(reading, ApiReading) else ()
    return Route(
        _path(workload),
        workload.delivery == "streamed",
        workload.deadline_seconds,
        (*reading.columns, *kept),
        reading.outputs,
    )


def _path(workload: Workload) -> str:
    """Return the path of gRPC, or the one below an HTTP server's."""
    if workload.is_http:
        return workload.rpc
    if workload.kind == "method":
        return f"/{workload.method}"
    return f"/{oip.SERVICE if workload.api == 'oip' else _SERVICES[workload.paradigm or '']}/{workload.rpc}"


def _reading(workload: Workload) -> Reading | MessagesAlone:
    if workload.is_own:
        return READINGS[workload.rpc]
    if workload.kind == "method":
        return MessagesAlone()
    if workload.api == "oip":
        return oip.TensorReading(workload)
    is_streamed = workload.delivery == "streamed"
    return openai.TextReading(is_streamed) if workload.kind == "text" else openai.ImageReading(workload.kind == "image")


def _maker(workload: Workload, models: Sequence[ServedModel], prompt_salt: int) -> MessageOf:
    if workload.is_http:
        return openai.body_maker(workload, prompt_salt)
    return (
        oip.request_maker(workload, prompt_salt)
        if workload.api == "oip"
        else _serialised(request_maker(workload, model_of(workload, models), prompt_salt))
    )


def in_turn(messages: Sequence[bytes]) -> MessageOf:
    """Return what sends these messages one after another, and again."""
    return lambda spec: messages[spec.number % len(messages)]


def _serialised(make: Callable[[RequestSpec], Any]) -> MessageOf:
    return lambda spec: make(spec).SerializeToString()

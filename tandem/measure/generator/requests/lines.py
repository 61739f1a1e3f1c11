"""The works of a scenario as a sender takes them: where each goes, how its requests are made, and its replies read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.requests.doors import oip, openai
from tandem.measure.generator.requests.doors.reading import DoorReading
from tandem.measure.generator.requests.feeder import MessageOf
from tandem.measure.generator.requests.messages import request_maker
from tandem.measure.generator.requests.reading import READINGS, MessagesAlone, Reading
from tandem.measure.generator.requests.served import model_of
from tandem.measure.generator.schedule.orders import Order
from tandem.measure.generator.sending.columns import WHOLE_MESSAGE
from tandem.measure.generator.sending.sender import Route
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Scenario, Work

_SERVICES = {
    "sequential": ar_pb2.DESCRIPTOR.services_by_name["AutoregressiveService"].full_name,
    "parallel": gan_pb2.DESCRIPTOR.services_by_name["GanService"].full_name,
}


@dataclass(frozen=True)
class Lines:
    """One entry a work, in the order of the scenario."""

    routes: tuple[Route, ...]
    makers: tuple[MessageOf, ...]
    readings: tuple[Reading | MessagesAlone, ...]


def lines_of(plan: Plan) -> Lines:
    """Return those of a plan."""
    scenario, models, given = plan.scenario, plan.models, plan.requests or ((),) * len(plan.scenario.works)
    readings = tuple(_reading(work) for work in scenario.works)
    routes = (_route(work, reading, scenario) for work, reading in zip(scenario.works, readings, strict=True))
    makers = (
        in_turn(messages) if messages else _maker(work, models)
        for work, messages in zip(scenario.works, given, strict=True)
    )
    return Lines(tuple(routes), tuple(makers), readings)


def _route(work: Work, reading: Reading | MessagesAlone, scenario: Scenario) -> Route:
    kept = (WHOLE_MESSAGE,) if scenario.keep_replies and not isinstance(reading, DoorReading) else ()
    return Route(
        _path(work), work.delivery == "streamed", work.deadline_seconds, (*reading.columns, *kept), reading.outputs
    )


def _path(work: Work) -> str:
    """Return the path of gRPC, or the one below an HTTP server's."""
    if work.is_http:
        return work.rpc
    if work.kind == "method":
        return f"/{work.method}"
    return f"/{oip.SERVICE if work.door == 'oip' else _SERVICES[work.paradigm or '']}/{work.rpc}"


def _reading(work: Work) -> Reading | MessagesAlone:
    if work.is_own:
        return READINGS[work.rpc]
    if work.kind == "method":
        return MessagesAlone()
    if work.door == "oip":
        return oip.TensorReading(work)
    is_streamed = work.delivery == "streamed"
    return openai.TextReading(is_streamed) if work.kind == "text" else openai.ImageReading(work.kind == "picture")


def _maker(work: Work, models: Sequence[ServedModel]) -> MessageOf:
    if work.is_http:
        return openai.body_maker(work)
    return oip.request_maker(work) if work.door == "oip" else _serialised(request_maker(work, model_of(work, models)))


def in_turn(messages: Sequence[bytes]) -> MessageOf:
    """Return what sends these messages one after another, and again."""
    return lambda order: messages[order.number % len(messages)]


def _serialised(make: Callable[[Order], Any]) -> MessageOf:
    return lambda order: make(order).SerializeToString()

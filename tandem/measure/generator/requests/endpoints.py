"""Workloads as a sender takes them: where each goes, how its requests are made, and its replies read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.requests.apis import oip, openai
from tandem.measure.generator.requests.messages import MessageOf, request_maker
from tandem.measure.generator.requests.reading import Reading, bulk_of, count_messages, read_own
from tandem.measure.generator.requests.served import model_of
from tandem.measure.generator.sending.sender import Route
from tandem.measure.scenario import Workload

_SERVICES = {
    "sequential": ar_pb2.DESCRIPTOR.services_by_name["AutoregressiveService"].full_name,
    "parallel": gan_pb2.DESCRIPTOR.services_by_name["GanService"].full_name,
}


@dataclass(frozen=True)
class Endpoints:
    """One entry a workload, in the order of the scenario."""

    routes: tuple[Route, ...]
    makers: tuple[MessageOf, ...]
    readings: tuple[Reading, ...]


def endpoints_of(plan: Plan) -> Endpoints:
    """Return those of a plan."""
    workloads, keeps = plan.scenario.workloads, plan.scenario.keep_replies
    readings = tuple(_reading(workload) for workload in workloads)
    routes = tuple(_route(workload, keeps) for workload in workloads)
    given = plan.requests or ((),) * len(workloads)
    makers = tuple(_maker(workload, plan, messages) for workload, messages in zip(workloads, given, strict=True))
    return Endpoints(routes, makers, readings)


def _route(workload: Workload, keeps_replies: bool) -> Route:
    bulk = bulk_of(workload.rpc) if workload.is_own and not keeps_replies else ()
    is_kept = keeps_replies or workload.kind != "method"
    return Route(_path(workload), workload.delivery == "streamed", workload.deadline_seconds, is_kept, bulk)


def _path(workload: Workload) -> str:
    """Return the path of gRPC, or the one below an HTTP server's."""
    if workload.is_http:
        return workload.rpc
    if workload.kind == "method":
        return f"/{workload.method}"
    return f"/{oip.SERVICE if workload.api == 'oip' else _SERVICES[workload.paradigm or '']}/{workload.rpc}"


def _reading(workload: Workload) -> Reading:
    if workload.is_own:
        return partial(read_own, workload.rpc)
    if workload.kind == "method":
        return count_messages
    if workload.api == "oip":
        return partial(oip.read_tensors, workload)
    if workload.kind == "text":
        return partial(openai.read_text, workload.delivery == "streamed")
    return partial(openai.read_images, workload.kind == "image")


def _maker(workload: Workload, plan: Plan, given: Sequence[bytes]) -> MessageOf:
    if given:
        return lambda spec: given[spec.number % len(given)]
    if workload.is_http:
        return openai.body_maker(workload, plan.prompt_salt)
    if workload.api == "oip":
        return oip.request_maker(workload, plan.prompt_salt)
    return request_maker(workload, model_of(workload, plan.models), plan.prompt_salt)

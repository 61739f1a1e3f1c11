"""Workloads as a sender takes them: where each goes, how its requests are made, and its replies read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.requests.apis import oip, openai
from tandem.measure.generator.requests.messages import MessageOf, request_maker
from tandem.measure.generator.requests.reading import Reading, bulk_of, count_messages, read_own
from tandem.measure.generator.requests.served import model_of
from tandem.measure.generator.schedule.request_sequence import RequestSpec
from tandem.measure.generator.sending.sender import Route
from tandem.measure.scenario import Workload

_SERVICES = {
    "sequential": ar_pb2.DESCRIPTOR.services_by_name["AutoregressiveService"].full_name,
    "parallel": gan_pb2.DESCRIPTOR.services_by_name["GanService"].full_name,
}


class Endpoint(NamedTuple):
    """A workload, as a sender takes it."""

    route: Route
    make: MessageOf
    reading: Reading


def endpoints_of(plan: Plan) -> list[Endpoint]:
    """Return those of a plan, in the order of its workloads."""
    given = plan.requests or ((),) * len(plan.scenario.workloads)
    return [_endpoint(*each, plan) for each in zip(plan.scenario.workloads, given, strict=True)]


def _endpoint(workload: Workload, given: Sequence[bytes], plan: Plan) -> Endpoint:
    is_streamed, keeps, salt = workload.delivery == "streamed", plan.scenario.keep_replies, plan.prompt_salt
    drawn: MessageOf = partial(_in_turn, given)
    reading: Reading = count_messages
    bulk: tuple[int, ...] = ()
    if workload.kind == "method":
        path = f"/{workload.method}"
    elif workload.is_http:  # the path is below the server's
        path, drawn = workload.rpc, openai.body_maker(workload, salt)
        is_text, is_sequential = workload.kind == "text", workload.kind == "image"
        reading = partial(openai.read_text, is_streamed) if is_text else partial(openai.read_images, is_sequential)
    elif workload.api == "oip":
        path, drawn = f"/{oip.SERVICE}/{workload.rpc}", oip.request_maker(workload, salt)
        reading = partial(oip.read_tensors, workload)
    else:
        path = f"/{_SERVICES[workload.paradigm or '']}/{workload.rpc}"
        drawn = request_maker(workload, model_of(workload, plan.models), salt)
        reading, bulk = partial(read_own, workload.rpc), () if keeps else bulk_of(workload.rpc)
    is_kept = keeps or workload.kind != "method"
    route = Route(path, is_streamed, workload.deadline_seconds, is_kept, bulk)
    return Endpoint(route, partial(_in_turn, given) if given else drawn, reading)


def _in_turn(messages: Sequence[bytes], spec: RequestSpec) -> bytes:
    return messages[spec.number % len(messages)]

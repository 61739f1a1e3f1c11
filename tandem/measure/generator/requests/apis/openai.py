"""Requests and replies of OpenAI's HTTP API: completions, chat, images. A message is the data of an event."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tandem.measure.generator.requests.apis.words import Words
from tandem.measure.generator.requests.reading import ReplyFigures, spread
from tandem.measure.generator.schedule.request_sequence import RequestSpec
from tandem.measure.generator.sending.statuses import INTERNAL, OK, UNAVAILABLE, code_of_http
from tandem.measure.scenario import Workload

DONE = b"[DONE]"
_USUAL_CLASSES = 10
_CODES = {"rate_limit_exceeded": 8, "deadline_exceeded": 4, "request_cancelled": 1, "service_unavailable": UNAVAILABLE}


def body_maker(workload: Workload, prompt_salt: int) -> Callable[[RequestSpec], bytes]:
    """Return what makes the JSON body of a request spec."""
    make = _text_body(workload, prompt_salt) if workload.kind == "text" else partial(_image_body, workload)
    return lambda spec: json.dumps(make(spec)).encode()


def _text_body(workload: Workload, prompt_salt: int) -> Callable[[RequestSpec], dict[str, Any]]:
    words, is_chat = Words(prompt_salt), workload.api == "openai-chat"
    shared: dict[str, Any] = {"model": workload.model, "ignore_eos": True}
    if workload.temperature is not None:
        shared["temperature"] = workload.temperature
    if workload.delivery == "streamed":
        shared |= {"stream": True, "stream_options": {"include_usage": True}}

    def make(spec: RequestSpec) -> dict[str, Any]:
        text = words.text(spec)
        prompt = {"messages": [{"role": "user", "content": text}]} if is_chat else {"prompt": text}
        # Seeds of OpenAI's API are 64 bits wide; some servers take 32.
        return {**shared, **prompt, "max_tokens": spec.length, "seed": spec.seed % 2**31}

    return make


def _image_body(workload: Workload, spec: RequestSpec) -> dict[str, Any]:
    num_classes = _USUAL_CLASSES if workload.num_classes is None else workload.num_classes
    prompt = str(int(spec.place * num_classes)) if num_classes else ""
    count = spec.length if workload.kind == "images" else 1
    return {"model": workload.model, "prompt": prompt, "n": count, "seed": spec.seed}


def read_text(is_streamed: bool, messages: Sequence[bytes]) -> ReplyFigures:
    """Return the figures of completions and chat, streamed or whole."""
    is_carrying, usage = [], None
    num_ids = []  # of messages that name their tokens, as vLLM does on request
    for raw in messages:
        event = _json(raw)
        if event is None or event.get("error") is not None:
            return _failure(event)
        choices = event.get("choices") or ()
        is_carrying.append(any(_text(choice) for choice in choices))
        num_ids.append(sum(len(choice.get("token_ids") or ()) for choice in choices))
        usage = event.get("usage") or usage
    counted, prompt = _count(usage, "completion_tokens"), _count(usage, "prompt_tokens")
    is_counted = any(num_ids) or counted is not None
    outputs = num_ids if any(num_ids) else spread(sum(is_carrying) if counted is None else counted, is_carrying)
    cached = _count((usage or {}).get("prompt_tokens_details"), "cached_tokens")
    figures = ReplyFigures(outputs, 0, _or_nan(prompt), _or_nan(cached), is_counted)
    if is_streamed and messages[-1:] != [DONE]:
        return figures._replace(code=UNAVAILABLE, text="the stream ended without [DONE]")
    return figures


def read_images(is_sequential: bool, messages: Sequence[bytes]) -> ReplyFigures:
    """Return the figures of images; each is an output, and of a sequential one each of its tokens, where the server
    tells how many there are.
    """
    reply = _json(messages[0]) if messages else None
    if reply is None or reply.get("error") is not None:
        return _failure(reply)
    num_images = len(reply.get("data") or ())
    counted = _count(reply.get("usage"), "output_tokens") if is_sequential else num_images
    return ReplyFigures([counted or num_images], num_images, is_counted=bool(counted))


def _json(raw: bytes) -> dict[str, Any] | None:
    """Return an event; an empty one for the mark of the end, None for what is no JSON object."""
    if raw == DONE:
        return {}
    try:
        found = json.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _failure(event: dict[str, Any] | None) -> ReplyFigures:
    if event is None:
        return ReplyFigures(code=INTERNAL, text="the reply is no JSON object")
    error = event["error"]
    if not isinstance(error, dict):
        return ReplyFigures(code=INTERNAL, text=str(error))
    found = error.get("code")
    code = code_of_http(found) if isinstance(found, int) else _CODES.get(str(found), INTERNAL)
    return ReplyFigures(code=INTERNAL if code == OK else code, text=str(error.get("message", "")))


def _text(choice: dict[str, Any]) -> str:
    """Return the text that a choice brings: of a reasoning model, its thoughts count as well."""
    said = choice.get("delta") or choice.get("message") or choice
    return "".join(str(said.get(name) or "") for name in ("text", "content", "reasoning_content", "reasoning"))


def _or_nan(number: int | None) -> float:
    return float("nan") if number is None else number


def _count(usage: Any, name: str) -> int | None:
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if isinstance(found, int) else None

"""What the server of known laws answers with: ready-made messages of each protocol, with places for numbers."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from grpc_health.v1 import health_pb2

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2
from tandem.measure.truth.native.build import Mode
from tandem.oip import grpc_service_pb2 as oip

MODEL = "truth"
"""The one model, of all protocols; requests may name any."""
# The compiled server fills these in; see protocols.cpp.
_TOKENS, _WORDS, _RAW_TOKENS = "@TOKENS@", "@WORDS@", b"@TK@"
_SECONDS = struct.unpack("<d", b"@SECONDS")[0]
_OIP = "/inference.GRPCInferenceService"
_AR, _GAN, _HEALTH = "/tandem.ar.v1.AutoregressiveService", "/tandem.gan.v1.GanService", "/grpc.health.v1.Health"


class Reply(NamedTuple):
    """What a path is answered with. `piece`: of each token; `head` goes before the first one, `last` behind all, or of
    gRPC's streams instead of the last one; then `usage`, where it is asked for, and `done`.

    `count_at`: the path of fields to the number of tokens in a protobuf message; empty: it is JSON's `max_tokens`.
    `is_nested`: a whole answer is field 1 of its message.
    """

    path: str
    piece: bytes
    head: bytes = b""
    last: bytes = b""
    usage: bytes = b""
    done: bytes = b""
    mode: Mode = Mode.BY_LAW
    is_streamed: bool = False
    count_at: Sequence[int] = ()
    is_nested: bool = False


def replies() -> Iterator[Reply]:
    """Yield all that the server knows."""
    yield from _openai()
    yield from _own()
    yield from _open_inference()


def _openai() -> Iterator[Reply]:
    model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "tandem", "max_model_len": 131072}
    yield Reply("/v1/models", _json({"object": "list", "data": [model]}), mode=Mode.AT_ONCE)
    yield Reply("/health", b"{}", mode=Mode.AT_ONCE)
    numbers = {"prompt_tokens": _WORDS, "completion_tokens": _TOKENS, "total_tokens": _TOKENS}
    for path, kind, content in (
        ("/v1/completions", "text_completion", {"text": " x"}),
        ("/v1/chat/completions", "chat.completion", {"delta": {"content": " x"}}),
    ):
        shared = {"id": "truth", "object": kind, "created": 0, "model": MODEL}
        is_chat = "delta" in content
        chunk = shared | ({"object": f"{kind}.chunk"} if is_chat else {})
        role = {"delta": {"role": "assistant", "content": ""}}
        nothing: dict[str, Any] = {"delta": {}} if is_chat else {"text": ""}
        whole = _json({**shared, "choices": [_choice({"message": {"role": "assistant", "content": "@"}}, "length")]}
                      if is_chat else {**shared, "choices": [_choice({"text": "@"}, "length")]})  # fmt: skip
        head, rest = whole.split(b'"@"')
        usage = b', "usage": ' + _json(numbers) + b"}"
        yield Reply(path, b" x", head + b'"', b'"' + rest[:-1] + usage)
        yield Reply(
            path,
            _event({**chunk, "choices": [_choice(content)]}),
            _event({**chunk, "choices": [_choice(role)]}) if is_chat else b"",
            _event({**chunk, "choices": [_choice(nothing, "length")]}),
            _event({**chunk, "choices": [], "usage": numbers}),
            b"data: [DONE]\n\n",
            is_streamed=True,
        )


def _choice(content: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, **content, "logprobs": None, "finish_reason": reason}


def _json(value: Any) -> bytes:
    text = json.dumps(value)
    for number in (_TOKENS, _WORDS):
        text = text.replace(f'"{number}"', number)
    return text.encode()


def _event(value: Any) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _own() -> Iterator[Reply]:
    token = ar_pb2.GenerateResponse(token_ids=[1], text_delta=" x")
    last = ar_pb2.GenerateResponse(token_ids=[1], text_delta=" x", finish_reason=ar_pb2.FINISH_REASON_LENGTH)
    max_tokens = (6, 9)
    yield _grpc(f"{_AR}/Generate", token, last=last.SerializeToString(), is_streamed=True, count_at=max_tokens)
    yield _grpc(f"{_AR}/Complete", token, count_at=(1, *max_tokens), is_nested=True)
    image = images_pb2.ImageBatch(shape=[1, 2, 2, 1], encoding=images_pb2.ENCODING_RAW_UINT8, data=bytes(4))
    sample = gan_pb2.SampleResponse(images=image, timings=Timings(compute_seconds=_SECONDS, total_seconds=_SECONDS))
    part = gan_pb2.SampleStreamResponse(part=gan_pb2.SampleResponse(images=image))
    yield Reply(f"{_GAN}/Sample", b"", last=sample.SerializeToString(), count_at=(2,))
    yield _grpc(f"{_GAN}/SampleStream", part, last=part.SerializeToString(), is_streamed=True, count_at=(1, 2))
    models = [ar_pb2.Model(name=MODEL, modality="text", max_context_tokens=131072, vocab_size=32000)]
    yield _grpc(f"{_AR}/ListModels", ar_pb2.ListModelsResponse(models=models), mode=Mode.AT_ONCE)
    gans = gan_pb2.ListModelsResponse(models=[gan_pb2.Model(name=MODEL)])
    yield _grpc(f"{_GAN}/ListModels", gans, mode=Mode.AT_ONCE)
    serving = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
    yield _grpc(f"{_HEALTH}/Check", serving, mode=Mode.AT_ONCE)
    yield _grpc(f"{_HEALTH}/Watch", serving, mode=Mode.LEFT_OPEN)


def _open_inference() -> Iterator[Reply]:
    reply = oip.ModelInferResponse(model_name=MODEL)
    reply.outputs.add(name="text_output", datatype="BYTES", shape=[1])
    reply.outputs.add(name="num_output_tokens", datatype="UINT32", shape=[1])
    text = struct.pack("<I", 2) + b" x"
    reply.raw_output_contents.extend([text, _RAW_TOKENS])
    token = oip.ModelInferResponse()
    token.CopyFrom(reply)
    token.raw_output_contents[1] = struct.pack("<I", 1)
    message = oip.ModelStreamInferResponse(infer_response=token)
    yield Reply(f"{_OIP}/ModelInfer", b"", last=reply.SerializeToString())
    yield _grpc(f"{_OIP}/ModelStreamInfer", message, last=message.SerializeToString(), is_streamed=True)
    for rpc, answer in {
        "ServerLive": oip.ServerLiveResponse(live=True),
        "ServerReady": oip.ServerReadyResponse(ready=True),
        "ModelReady": oip.ModelReadyResponse(ready=True),
        "RepositoryIndex": oip.RepositoryIndexResponse(models=[{"name": MODEL, "state": "READY"}]),
    }.items():
        yield _grpc(f"{_OIP}/{rpc}", answer, mode=Mode.AT_ONCE)


def _grpc(path: str, message: Any, **others: Any) -> Reply:
    return Reply(path, message.SerializeToString(), **others)

"""A tokenizer for sequential backends without models: each byte of a text is a token."""

from __future__ import annotations

from typing import Any

from runtime.rpc.call import Call
from tandem.ar.v1 import ar_pb2


class ByteTokenizer:
    """The RPCs of a sequential backend that turn texts into tokens and back."""

    async def tokenize(self, request: Any, call: Call) -> Any:
        ids = list(request.text.encode())
        return ar_pb2.TokenizeResponse(ids=ids, tokens=[bytes([byte]) for byte in ids])

    async def detokenize(self, request: Any, call: Call) -> Any:
        text = bytes(request.ids)
        return ar_pb2.DetokenizeResponse(text=text.decode(errors="replace"), tokens=[bytes([byte]) for byte in text])

    async def describe_tokenizer(self, request: Any, call: Call) -> Any:
        return ar_pb2.DescribeTokenizerResponse(model="fake-text", eos_token_ids=[0])

"""JSON documents of 0.9 MB, each of which is work to refuse or to read."""

from __future__ import annotations

from collections.abc import Mapping

NUM_BYTES = 900_000


def _filled(head: str, unit: str, tail: str) -> bytes:
    """Return head, as many units as fit, and tail."""
    count = (NUM_BYTES - len(head) - len(tail)) // len(unit.encode())
    return (head + unit * count + tail).encode()


def _unknown_keys() -> bytes:
    """Return an object of keys that are all different."""
    pairs = ",".join(f'"key{index:06}":{index:06}' for index in range(100_000, 100_000 + NUM_BYTES // 19))
    return f"{{{pairs}}}".encode()


DOCUMENTS: Mapping[str, bytes] = {
    "deep lists": _filled("", "[", ""),
    "deep lists, closed": b"[" * (NUM_BYTES // 2) + b"]" * (NUM_BYTES // 2),
    "deep objects": _filled("", '{"images":', ""),
    "900 nested objects of the contract": b'{"source":' * 900 + b"1" + b"}" * 900,
    "a number of 900,000 digits": _filled('{"count":', "9", "}"),
    "a fraction of 900,000 digits": _filled('{"truncation":0.', "3", "}"),
    "a huge exponent": b'{"truncation":1e999999999}',
    "many unknown keys": _unknown_keys(),
    "many labels": _filled('{"count":1,"labels":[', "7,", "7]}"),
    "many labels, the last of them wrong": _filled('{"count":1,"labels":[', "7,", '"x"]}'),
    "many latents": _filled('{"latents":{"values":[', "0.5,", "0.5]}}"),
    "many latents, the last of them wrong": _filled('{"latents":{"values":[', "0.5,", "{}]}}"),
    "the same key again and again": _filled("{", '"count":1,', '"count":0}'),
    "a long string": _filled('{"model":"', "m", '"}'),
    "a long string of escapes": _filled('{"model":"', "\\u0000", '"}'),
    "a long string of surrogates": _filled('{"model":"', "\\ud800", '"}'),
    "a long key": _filled('{"', "k", '":1}'),
    "bytes that are no UTF-8": b'{"model":"' + b"\xff" * NUM_BYTES + b'"}',
    "NaN and Infinity": _filled('{"latents":{"values":[', "NaN,Infinity,", "0]}}"),
    "blanks": _filled("", " ", "{}x"),
}

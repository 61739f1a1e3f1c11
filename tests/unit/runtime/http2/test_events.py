"""Metadata to and from the wire: plain, binary, several values, and text that HTTP may not carry."""

import base64

import pytest

from runtime.http2.events import decode_metadata, trailers


def wire(*entries: tuple[str, str]) -> bytes:
    return "".join(f"{key}\0{value}\0" for key, value in entries).encode()


@pytest.mark.parametrize("padding", [True, False])
def test_binary_values_are_bytes(padding):
    text = base64.b64encode(b"\x00\xff").decode()
    assert decode_metadata(wire(("x-bin", text if padding else text.rstrip("=")), ("y", "z"))) == (
        ("x-bin", b"\x00\xff"),
        ("y", "z"),
    )


def test_several_binary_values_in_one_field_are_several_entries_and_what_is_no_base64_is_left_out():
    assert decode_metadata(wire(("x-bin", "AA, AQ,?,\xff"))) == (("x-bin", b"\x00"), ("x-bin", b"\x01"))


def test_trailers_carry_status_message_and_entries():
    made = trailers(3, "50 % of\nü", [("x-bin", b"\x00\xff"), ("y", "z")])
    assert made == b"grpc-status\x003\x00grpc-message\x0050 %25 of%0A%C3%BC\x00x-bin\x00AP8\x00y\x00z\x00"
    assert trailers(0, "") == b"grpc-status\x000\x00"

import pytest

from gateway.proxy.document import extension, seconds, typed


@pytest.mark.parametrize(("value", "text"), [(0, "0s"), (1, "1s"), (10.0, "10s"), (0.25, "0.25s"), (0.0204, "0.02s")])
def test_durations_are_as_json_has_them(value: float, text: str) -> None:
    assert seconds(value) == text


def test_an_extension_is_named_and_typed() -> None:
    assert extension("a", "b.v3.C", d=1) == {"name": "a", "typed_config": typed("b.v3.C", d=1)}
    assert typed("b.v3.C")["@type"] == "type.googleapis.com/envoy.b.v3.C"

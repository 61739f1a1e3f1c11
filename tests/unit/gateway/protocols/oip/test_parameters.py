"""Which parameters a request may have: its model's, and those that Triton reserves; any other is named."""

from __future__ import annotations

import pytest

from gateway.protocols.oip.parameters import model_parameters
from tandem.oip.grpc_service_pb2 import ModelInferRequest
from tandem.shared.errors import InvalidArgument


def request(**values: int | str | bool | float) -> ModelInferRequest:
    made = ModelInferRequest()
    fields = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}
    for name, value in values.items():
        setattr(made.parameters[name], fields[type(value)], value)
    return made


def test_those_of_the_model_have_their_values() -> None:
    made = request(seed=3, temperature=0.5, stop="a", ignore_eos=True)
    made.parameters["top_k"].SetInParent()
    names = ("seed", "temperature", "stop", "ignore_eos", "top_k", "top_p")
    expected = {"seed": 3, "temperature": 0.5, "stop": "a", "ignore_eos": True, "top_k": None}
    assert model_parameters(made, names) == expected


def test_those_that_triton_reserves_are_not_the_model_s() -> None:
    reserved: dict[str, int | str | bool] = {
        "sequence_id": 0,
        "sequence_start": False,
        "sequence_end": False,
        "priority": 1,
        "timeout": 10**6,
        "headers": "a",
        "binary_data_output": True,
        "triton_enable_empty_final_response": True,
        "triton_of_tomorrow": 1,
    }
    assert model_parameters(request(seed=3, **reserved), ("seed",)) == {"seed": 3}


@pytest.mark.parametrize("name", ["sed", "Seed", "", "triton", "sequence", "temperature"])
def test_any_other_is_refused_by_name(name: str) -> None:
    made = request(seed=3)
    made.parameters[name].double_param = 0.5
    with pytest.raises(InvalidArgument) as caught:
        model_parameters(made, ("top_k", "seed"))
    assert str(caught.value) == f"parameters.{name}: 0.5 is not accepted; accepted: one of the parameters seed, top_k"

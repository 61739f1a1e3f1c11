"""What others call is described where it is defined: each RPC of a service has a docstring."""

import ast

import pytest

from tests.contract.source import SHIPPED, modules

# Classes whose public methods are RPCs, by how they are named.
ENDINGS = ("Servicer", "InferenceService")

SERVICES = [
    pytest.param(node, id=f"{path}: {node.name}")
    for path, module in modules().items()
    if path.startswith(SHIPPED)
    for node in module.body
    if isinstance(node, ast.ClassDef) and node.name.endswith(ENDINGS)
]


def test_the_services_are_found() -> None:
    assert {"ArServicer", "GanServicer", "InferenceService"} <= {each.values[0].name for each in SERVICES}


@pytest.mark.parametrize("service", SERVICES)
def test_every_rpc_has_a_docstring(service: ast.ClassDef) -> None:
    methods = [each for each in service.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    public = [each for each in methods if not each.name.startswith("_")]
    assert public
    assert [each.name for each in public if ast.get_docstring(each) is None] == []

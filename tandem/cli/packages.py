"""Packages that only some commands need."""

from importlib.util import find_spec

from tandem.shared.errors import ExpectedError

REPORT_PACKAGES = ("matplotlib", "scipy")
SERVER_PACKAGES = ("fastapi", "gguf", "onnx", "onnxruntime", "safetensors", "tokenizers", "uvicorn", "yaml")


def need_packages(extra: str, *names: str) -> None:
    """Raise ValueError that says how to get what is missing; `extra` is the one of our own that brings it."""
    for name in names:
        if find_spec(name) is None:
            raise ExpectedError(how_to_get(name, extra))


def how_to_get(name: str, extra: str) -> str:
    """Return how to install a missing package. Tandem is not published, so this is from a checkout."""
    return f"{name} is missing: in a checkout of Tandem, run `make setup` or `pip install '.[{extra}]'`"

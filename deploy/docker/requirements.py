"""`requirements.py ROLE VARIANT`: prints what an image of a role (gateway, ar, gan) installs, one requirement a line.

That is the role's extra in pyproject.toml without the package's own dependencies, which are the client's. For the CPU
ONNX Runtime's small package stands in for the one with CUDA. Runs before anything is installed: the standard library
is all it knows.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

NAME = "tandem-serving"
_FOR_GPU = {"ar": "torch", "gan": "cuda"}
"""The extra that a role needs besides to compute on a GPU."""
Extras = Mapping[str, Sequence[str]]


def expand(extras: Extras, name: str) -> Iterator[str]:
    """Yield the requirements of an extra and of those of our own that it names."""
    for requirement in extras[name]:
        if requirement.startswith(f"{NAME}["):
            for other in requirement.removeprefix(f"{NAME}[").removesuffix("]").split(","):
                yield from expand(extras, other)
        else:
            yield requirement


def requirements(extras: Extras, role: str, variant: str) -> list[str]:
    """Return the requirements of an image, in order, each once. `variant` is cpu or cuda."""
    found = list(dict.fromkeys(expand(extras, role)))
    if variant == "cpu":
        return [_without_gpu(requirement) for requirement in found if not requirement.startswith("onnxruntime-gpu")]
    return [*found, *extras.get(_FOR_GPU.get(role, ""), ())]


def _without_gpu(requirement: str) -> str:
    return requirement.partition(";")[0] if requirement.startswith("onnxruntime>") else requirement


def main() -> None:
    pyproject = tomllib.loads(Path("pyproject.toml").read_text())
    print(*requirements(pyproject["project"]["optional-dependencies"], *sys.argv[1:]), sep="\n")


if __name__ == "__main__":
    main()

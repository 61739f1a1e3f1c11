"""The models that a server serves, as it tells of them, and which of them does a given workload."""

from collections.abc import Iterable, Sequence
from typing import Any

from tandem.client import AsyncTandemClient
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Paradigm, Workload
from tandem.shared.errors import ExpectedError

_SECONDS = 10.0


async def served_models(address: str, paradigms: Iterable[Paradigm]) -> tuple[ServedModel, ...]:
    """Return the models of these paradigms. Raises TandemRpcError."""
    found: list[ServedModel] = []
    async with AsyncTandemClient(address) as client:
        if "sequential" in paradigms:
            models: Sequence[Any] = await client.list_sequential_models(timeout_seconds=_SECONDS)
            found += [_as_served("sequential", model) for model in models]
        if "parallel" in paradigms:
            models = await client.list_parallel_models(timeout_seconds=_SECONDS)
            found += [_as_served("parallel", model) for model in models]
    return tuple(found)


def _as_served(paradigm: Paradigm, model: Any) -> ServedModel:
    told = {name: getattr(model, name, None) or None for name in ServedModel.model_fields}
    if (runtime := getattr(model, "runtime", None)) and paradigm == "parallel":
        told |= {name: getattr(runtime, name) for name in ("num_instances", "threads_per_instance")}
        told |= {"runtime": runtime.name, "dtype": runtime.precision}
    always = {"modality": told["modality"] or "image", "licence": model.licence, "num_classes": model.num_classes}
    several = {name: tuple(told[name] or ()) for name in ("providers", "image_shape", "class_names")}
    return ServedModel(**{**told, "paradigm": paradigm, **always, **several})


def with_model(workload: Workload, models: Sequence[ServedModel]) -> Workload:
    """Return the workload with the name of the model that does it: where none is named, of several image models the
    only one that takes steps, or none, as the workload. Raises ValueError that names those there are.
    """
    modality = "text" if workload.kind == "text" else "image"
    served = [model for model in models if model.paradigm == workload.paradigm and model.modality == modality]
    fitting = [each.name for each in served]
    chosen = [name for name in fitting if workload.model in ("", name)]
    if len(chosen) > 1:
        chosen = [each.name for each in served if bool(each.takes_steps) == (workload.steps is not None)]
    if len(chosen) == 1:
        return workload.model_copy(update={"model": chosen[0]})
    what = f"{workload.paradigm} {modality} model"
    if not fitting:
        raise ExpectedError(f"model: no {what} is served there")
    there_are = f"{what}s there: {', '.join(fitting)}"
    if workload.model:
        raise ExpectedError(f"model: {workload.model!r} is not served; {there_are}")
    raise ExpectedError(f"model: none is named for {workload.kind}; give one of the {there_are}")


def model_of(workload: Workload, models: Sequence[ServedModel]) -> ServedModel:
    """Return the model that a workload names."""
    return next(model for model in models if (model.paradigm, model.name) == (workload.paradigm, workload.model))

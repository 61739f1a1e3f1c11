"""What is measured beside the pair, in the same rounds: a third-party server, or the pair itself in another form.

The third-party server is sequential, and asked by OpenAI's API for as many tokens as an image of ours has. What it does
within, its queue, its phases and its CPU time, nobody here knows.
"""

from dataclasses import dataclass, replace

from tandem.measure.generator.generator import Generator
from tandem.measure.generator.requests.served import name_model
from tandem.measure.meters.cpu import CpuMeter
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Workload
from tandem.measure.studies.comparison.modes import DEADLINE_SECONDS, DELIVERIES, OUTPUT_TOKENS, Mode, Pair, find_pair
from tandem.shared.errors import ExpectedError


@dataclass(frozen=True)
class Beside:
    """`source` sends to it; `meter` is of its processes. `contrasts`: names of modes to hold against each other."""

    source: Generator
    meter: CpuMeter
    modes: tuple[Mode, ...]
    contrasts: tuple[tuple[str, str], ...]
    models: tuple[ServedModel, ...]


async def third_party_beside(source: Generator, model: str, pair: Pair) -> Beside:
    """Return the third-party server that `source` sends to; an empty model is the first it lists.

    Raises ExpectedError, ConnectionError.
    """
    settings = {
        "kind": "text",
        "api": "openai",
        "model": model,
        "output_tokens": pair.sequential.tokens_per_image or OUTPUT_TOKENS,
        "prompt_tokens": 1,  # as a class is one token
        "deadline_seconds": DEADLINE_SECONDS,
    }
    workloads = [Workload.model_validate({**settings, "delivery": delivery}) for delivery in DELIVERIES]
    name = await name_model(source.address, workloads[-1])
    unknown = dict.fromkeys(ServedModel.model_fields) | {"class_names": (), "image_shape": (), "providers": ()}
    known = {"paradigm": "sequential", "name": name, "modality": "text", "licence": "", "num_classes": 0}
    served = ServedModel.model_validate(unknown | known)
    modes = tuple(Mode(workload.model_copy(update={"model": name}), served) for workload in workloads)
    contrasts = tuple((mode.name, f"sequential {mode.workload.delivery}") for mode in modes)
    return Beside(source, CpuMeter((), {}), modes, contrasts, (served,))


async def pair_beside(source: Generator, pair: Pair, meter: CpuMeter) -> Beside:
    """Return the same two models, in one precision, that `source` sends to. Raises TandemRpcError, ValueError."""
    other = await find_pair(source.address, pair.sequential.name, pair.parallel.name)
    if other.is_matched != pair.is_matched:
        raise ExpectedError(f"{source.address}: {other.unmatched or 'serves a matched pair'}; expected the same pair")
    first, second = (model.dtype for model in other.models)
    if first is None or first != second:
        raise ExpectedError(f"{source.address}: computes in {first} and {second}; expected one precision for both")
    unary = (mode for mode in other.modes() if mode.workload.delivery == "unary")
    modes = tuple(replace(mode, form=f"both in {first}") for mode in unary)
    return Beside(source, meter, modes, ((modes[0].name, modes[1].name),), other.models)

"""Who is measured over steps: a sequential image model that takes steps, in several numbers of them, and beside it a
parallel model and a sequential one that takes none. Knows no clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.measure.generator.requests.served import served_models
from tandem.measure.results.header import ServedModel
from tandem.measure.studies.comparison.modes import Mode, Pair, find_pair, workload_of
from tandem.shared.errors import InvalidArgument

STEPS = (1, 2, 4, 8, 12, 24, 49)


@dataclass(frozen=True)
class Subjects:
    """`pair`: the model that takes steps, and the parallel one; `plain`: a sequential one of the same images that takes
    none, if there is one. `steps` ascend; the last is the number of the tokens of an image.
    """

    pair: Pair
    plain: ServedModel | None
    steps: tuple[int, ...]

    @property
    def models(self) -> tuple[ServedModel, ...]:
        return (*self.pair.models, *([self.plain] if self.plain else []))

    def modes(self) -> tuple[Mode, ...]:
        """Return the unary modes: of all steps, ascending, then the plain model's, then the parallel one's."""
        model, others = self.pair.sequential, [*([self.plain] if self.plain else []), self.pair.parallel]
        in_steps = [Mode(workload_of(model, steps=number), model) for number in self.steps]
        return (*in_steps, *(Mode(workload_of(other), other) for other in others))


async def find_subjects(address: str, sequential: str, parallel: str, steps: Sequence[int] = ()) -> Subjects | None:
    """Return who is measured at `address`: the sequential model of this name if it takes steps, or the first one that
    does; None if none matches the parallel one. Without `steps` they are STEPS, as far as an image has tokens.

    Raises TandemRpcError, ValueError if a model that is named is not served, and InvalidArgument for steps that an
    image has too few tokens for.
    """
    images = [model for model in await served_models(address, ("sequential",)) if model.modality == "image"]
    images.sort(key=lambda model: model.name != sequential)  # the one that is named comes first
    model = next((model for model in images if model.takes_steps), None)
    if model is None:
        return None
    numbers = _numbers(model, steps)
    pair = await find_pair(address, model.name, parallel)
    if not pair.is_matched:
        return None
    plain = [other for other in images if not other.takes_steps]
    if plain and plain[0].name == sequential:
        del plain[1:]
    is_alike = len(plain) == 1 and (await find_pair(address, plain[0].name, pair.parallel.name)).is_matched
    return Subjects(pair, plain[0] if is_alike else None, numbers)


def _numbers(model: ServedModel, steps: Sequence[int]) -> tuple[int, ...]:
    most = model.tokens_per_image or 1
    wrong = [number for number in steps if not 1 <= number <= most]
    if wrong:
        raise InvalidArgument("steps", wrong[0], f"1 to {most}, the tokens of an image of {model.name}")
    chosen = steps or [number for number in STEPS if number <= most]
    return tuple(sorted({*chosen, most}))

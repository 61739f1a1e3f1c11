"""Who is asked for what: the four modes in which one image of a class is asked for, and the two models that are asked;
a sequential model in several numbers of steps beside them; and all that is asked of a comparison. Knows no clock.

Models that do different work are asked each for its own: a text, or an image.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tandem.measure.formats import quantity
from tandem.measure.generator.requests.reading import Pixels
from tandem.measure.generator.requests.served import served_models
from tandem.measure.meters.cpu import Addresses
from tandem.measure.results.comparison import Settings, Work
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Delivery, Paradigm, Workload
from tandem.shared.errors import ExpectedError, InvalidArgument

# Far beyond any latency worth comparing: a server that hangs must not hold the comparison for ever.
DEADLINE_SECONDS = 60.0
# Of a text, where the sequential model draws no images.
OUTPUT_TOKENS, PROMPT_TOKENS = 64, 32

_KINDS = {"sequential": "image", "parallel": "images"}
DELIVERIES: tuple[Delivery, ...] = ("streamed", "unary")

# What is held against what: one thing differs at a time.
CONTRASTS = (
    ("sequential unary", "parallel unary"),
    ("sequential streamed", "parallel streamed"),
    ("sequential streamed", "sequential unary"),
    ("parallel streamed", "parallel unary"),
)


# Marks a mode that is only there to be held against the same one.
AGAIN = "again"
# What should not differ at all: how far it does is how far anything may by chance.
CONTROLS = tuple((name, f"{name}, {AGAIN}") for name in ("sequential unary", "parallel unary"))


@dataclass(frozen=True)
class Mode:
    """One model, asked in one delivery. `form`: of the model, where it is another one than the pair's."""

    workload: Workload
    model: ServedModel
    form: str = ""

    @property
    def paradigm(self) -> Paradigm:
        return self.model.paradigm

    @property
    def name(self) -> str:
        name = f"{'foreign' if self.is_foreign else self.paradigm} {self.workload.delivery}{self._in_steps}"
        name = f"{name}, {self.form}" if self.form else name
        return f"{name}, {AGAIN}" if self.is_control else name

    @property
    def drawer(self) -> str:
        """What draws the images, however they are delivered: modes of one drawer bring images of one distribution."""
        return f"{self.paradigm}{self._in_steps}"

    @property
    def _in_steps(self) -> str:
        return "" if self.workload.steps is None else f", {quantity(self.workload.steps, 'step')}"

    @property
    def is_foreign(self) -> bool:
        """Whether it asks a server of another make, for text, not for an image."""
        return not self.workload.is_own

    @property
    def is_text(self) -> bool:
        return self.workload.kind == "text"

    @property
    def has_images(self) -> bool:
        """Whether its images are kept: those of the pair itself."""
        return not (self.is_text or self.is_control or self.form)

    @property
    def is_control(self) -> bool:
        return self.workload.label == AGAIN


@dataclass(frozen=True)
class Pair:
    """A sequential and a parallel model. `class_names` of a matched pair, whose images are the same, may be their
    numbers. `unmatched`: in what others differ.

    Over steps the sequential one takes `steps`, which ascend; the last is the number of the tokens of an image. `plain`
    is then a sequential one of the same images that takes none, if there is one.
    """

    sequential: ServedModel
    parallel: ServedModel
    class_names: tuple[str, ...]
    unmatched: str = ""
    steps: tuple[int, ...] = ()
    plain: ServedModel | None = None

    @property
    def is_matched(self) -> bool:
        return not self.unmatched

    @property
    def models(self) -> tuple[ServedModel, ...]:
        return self.sequential, self.parallel, *([self.plain] if self.plain else [])

    def modes(self) -> tuple[Mode, ...]:
        """Return the four modes, as tables show them; over steps the unary ones: of all steps, ascending, then the
        plain model's, then the parallel one's.
        """
        if not self.steps:
            return tuple(Mode(workload_of(model, delivery), model) for model in self.models for delivery in DELIVERIES)
        model, parallel, *plain = self.models
        in_steps = [Mode(workload_of(model, steps=number), model) for number in self.steps]
        return (*in_steps, *(Mode(workload_of(other), other) for other in (*plain, parallel)))

    def controls(self) -> tuple[Mode, ...]:
        """Return the unary modes once more, to be held against themselves."""
        return tuple(
            Mode(mode.workload.model_copy(update={"label": AGAIN}), mode.model)
            for mode in self.modes()
            if mode.workload.delivery == "unary"
        )


async def find_pair(address: str, sequential: str, parallel: str) -> Pair:
    """Return the pair of these names; see `pair_of`. Raises TandemRpcError, ValueError."""
    return pair_of(await served_models(address, ("sequential", "parallel")), sequential, parallel)


def pair_of(models: Sequence[ServedModel], sequential: str, parallel: str) -> Pair:
    """Return the matched pair of these names, empty ones being any model, or else the only pair there is.

    Of several matched pairs it is the one whose sequential model takes no steps. Raises ValueError if a model is not
    served, or if more than one pair would do.
    """
    firsts, seconds = _candidates(models, "sequential", sequential), _candidates(models, "parallel", parallel)
    pairs = [_pair(first, second) for first in firsts for second in seconds]
    matched = [pair for pair in pairs if pair.is_matched]
    plain = [pair for pair in matched if not pair.sequential.takes_steps]
    for choice in (pairs, matched, plain):
        if len(choice) == 1:
            return choice[0]
    ways = [
        f"--{paradigm}-model ({', '.join(dict.fromkeys(model.name for model in there))})"
        for paradigm, there in (("sequential", firsts), ("parallel", seconds))
        if len(there) > 1
    ]
    raise ExpectedError(f"model: more than one pair can be compared; give {' and '.join(ways)}")


def _candidates(models: Sequence[ServedModel], paradigm: Paradigm, name: str) -> list[ServedModel]:
    served = [model for model in models if model.paradigm == paradigm]
    if not served:
        raise ExpectedError(f"model: no {paradigm} model is served there")
    fitting = [model for model in served if name in ("", model.name)]
    if not fitting:
        there = ", ".join(model.name for model in served)
        raise ExpectedError(f"model: {name!r} is not served; {paradigm} models there: {there}")
    return fitting


def _pair(first: ServedModel, second: ServedModel) -> Pair:
    works = [work_of(model).name for model in (first, second)]
    unmatched = ""
    if works[0] != works[1]:
        unmatched = f"{works[0]} and {works[1]}"
    elif not first.num_classes or first.num_classes != second.num_classes:
        unmatched = f"of {first.num_classes} and of {second.num_classes} classes"
    elif first.class_names != second.class_names:
        names = [", ".join(model.class_names) or "without names" for model in (first, second)]
        unmatched = f"classes {names[0]} and {names[1]}"
    if unmatched:
        return Pair(first, second, (), f"unmatched work: {unmatched}")
    return Pair(first, second, first.class_names or tuple(str(label) for label in range(first.num_classes)))


def work_of(model: ServedModel) -> Work:
    """Return what one request to a model is."""
    if model.modality == "text":
        return Work(name=f"a text of {OUTPUT_TOKENS} tokens", unit="token", num_outputs=OUTPUT_TOKENS)
    height, width, *channels = model.image_shape
    size = "x".join(map(str, (height, width, *(number for number in channels if number != 1))))
    return Work(name=f"an image of {size}{' of a class' if model.num_classes else ''}", unit="image", num_outputs=1)


def workload_of(model: ServedModel, delivery: Delivery = "unary", steps: int | None = None) -> Workload:
    """Return one request: an image of a class, or a text; `steps` None: as the model draws by itself."""
    values: dict[str, Any] = {"kind": _KINDS[model.paradigm], "steps": steps}
    if model.modality == "text":
        values = {"kind": "text", "output_tokens": OUTPUT_TOKENS, "prompt_tokens": PROMPT_TOKENS}
    settings = {"delivery": delivery, "model": model.name, "deadline_seconds": DEADLINE_SECONDS}
    return Workload.model_validate({**values, **settings})


STEPS = (1, 2, 4, 8, 12, 24, 49)


async def find_pair_over_steps(address: str, sequential: str, parallel: str, steps: Sequence[int] = ()) -> Pair | None:
    """Return who is measured over steps at `address`: the sequential model of this name if it takes steps, or the first
    one that does; None if none matches the parallel one. Without `steps` they are STEPS, as far as an image has tokens.

    Raises TandemRpcError, ValueError if a model that is named is not served, and InvalidArgument for steps that an
    image has too few tokens for.
    """
    images = [model for model in await served_models(address, ("sequential",)) if model.modality == "image"]
    images.sort(key=lambda model: model.name != sequential)  # the one that is named comes first
    model = next((model for model in images if model.takes_steps), None)
    if model is None:
        return None
    most = model.tokens_per_image or 1
    if wrong := [number for number in steps if not 1 <= number <= most]:
        raise InvalidArgument("steps", wrong[0], f"1 to {most}, the tokens of an image of {model.name}")
    chosen = steps or [number for number in STEPS if number <= most]
    pair = await find_pair(address, model.name, parallel)
    if not pair.is_matched:
        return None
    plain = [other for other in images if not other.takes_steps]
    if plain and plain[0].name == sequential:
        del plain[1:]
    is_alike = len(plain) == 1 and (await find_pair(address, plain[0].name, pair.parallel.name)).is_matched
    return replace(pair, steps=tuple(sorted({*chosen, most})), plain=plain[0] if is_alike else None)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to compare and how. Empty model names: see modes.pair_of. `reference` None: Fashion-MNIST. `metrics`: see
    tandem.measure.meters.cpu. `foreign`: address and model of a third-party server; an empty model is the first it
    lists. `beside`: address of the same models in another form; empty: none. `unjudged`: why quality is not measured,
    where it would be otherwise. `on_stage` is told what comes next, `on_image` of the last image of a trial.
    """

    address: str
    settings: Settings
    sequential: str = ""
    parallel: str = ""
    judge: Path = Path()
    reference: Path | None = None
    metrics: Addresses = field(default_factory=dict)
    foreign: tuple[str, str] | None = None
    beside: str = ""
    unjudged: str = ""
    on_stage: Callable[[str], None] = lambda _: None
    on_image: Callable[[Mode, Pixels], None] = lambda *_: None

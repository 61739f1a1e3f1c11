"""The four modes in which one image of a class is asked for, and the two models that are asked. Knows no clock."""

from dataclasses import dataclass

from runtime.errors import InvalidArgument
from tandem.measure.formats import counted
from tandem.measure.generator.requests.served import model_of, served_models, with_model
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Delivery, Paradigm, Workload

# Far beyond any latency worth comparing: a server that hangs must not hold the comparison for ever.
DEADLINE_SECONDS = 60.0

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
        return "" if self.workload.steps is None else f", {counted(self.workload.steps, 'step')}"

    @property
    def is_foreign(self) -> bool:
        """Whether it asks a server of another make, for text, not for an image."""
        return not self.workload.is_own

    @property
    def has_images(self) -> bool:
        """Whether its images are kept: those of the pair itself."""
        return not (self.is_foreign or self.is_control or self.form)

    @property
    def is_control(self) -> bool:
        return self.workload.label == AGAIN


@dataclass(frozen=True)
class Pair:
    """A sequential and a parallel model of the same images; `class_names` may be their numbers."""

    sequential: ServedModel
    parallel: ServedModel
    class_names: tuple[str, ...]

    @property
    def models(self) -> tuple[ServedModel, ServedModel]:
        return self.sequential, self.parallel

    def modes(self) -> tuple[Mode, ...]:
        """Return the four modes, as tables show them."""
        return tuple(
            Mode(workload_of(model.paradigm, model.name, delivery), model)
            for model in self.models
            for delivery in DELIVERIES
        )

    def controls(self) -> tuple[Mode, ...]:
        """Return the unary modes once more, to be held against themselves."""
        return tuple(
            Mode(mode.workload.model_copy(update={"label": AGAIN}), mode.model)
            for mode in self.modes()
            if mode.workload.delivery == "unary"
        )


async def matched_pair(address: str, sequential: str, parallel: str) -> Pair:
    """Return the pair of these names; an empty one means the only image model of its paradigm.

    Raises TandemRpcError, ValueError if a model is not served, and InvalidArgument if the two do not match.
    """
    models = await served_models(address, ("sequential", "parallel"))
    workloads = [
        with_model(workload_of(*each), models) for each in (("sequential", sequential), ("parallel", parallel))
    ]
    first, second = (model_of(workload, models) for workload in workloads)
    _check(first, second)
    return Pair(first, second, first.class_names or tuple(str(label) for label in range(first.num_classes)))


def workload_of(paradigm: str, model: str, delivery: Delivery = "unary", steps: int | None = None) -> Workload:
    """Return the workload of one image of a class; `steps` None: as the model draws by itself."""
    settings = {"kind": _KINDS[paradigm], "delivery": delivery, "model": model, "deadline_seconds": DEADLINE_SECONDS}
    return Workload.model_validate({**settings, "steps": steps})


def _check(first: ServedModel, second: ServedModel) -> None:
    """Raises InvalidArgument unless both models draw images of one shape, of the same classes."""
    pair = f"{first.name} and {second.name}"
    for what, values in (
        ("image shape", (list(first.image_shape), list(second.image_shape))),
        ("number of classes", (first.num_classes, second.num_classes)),
        ("names of the classes", (list(first.class_names), list(second.class_names))),
    ):
        if values[0] != values[1]:
            raise InvalidArgument(
                what, f"{values[0]} and {values[1]}, of {pair}", "a matched pair, in which both are the same"
            )
    if not first.num_classes:
        raise InvalidArgument("number of classes", f"0, of {pair}", "models that draw an image of a class")

"""From a request's `constraint` to a checked domain value; its bounds in ar.proto are enforced here.

Only compiling shows whether the grammar is valid: see services.ar.constraints.
"""

from services.ar.constraints.constraint import Constraint, Kind
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

MAX_CONSTRAINT_BYTES = 65_536
MAX_CHOICE_TEXTS = 1000
_MIN_BYTES: dict[Kind, int] = {"json_schema": 2, "regex": 1, "lark": 1}


def constraint_of(sampling: ar_pb2.SamplingParams) -> Constraint | None:
    """Return what the output has to match, None if that is anything. Raises InvalidArgument."""
    kind = sampling.WhichOneof("constraint")
    if kind is None:
        return None
    if kind == "json_object":
        if not sampling.json_object:
            raise InvalidArgument("sampling.json_object", False, "true, or no constraint at all")
        return Constraint(kind)
    if kind == "choice":
        return Constraint(kind, _choice(sampling.choice))
    text: str = getattr(sampling, kind)
    _check_bytes(f"sampling.{kind}", [text], _MIN_BYTES[kind])
    return Constraint(kind, (text,))


def refuse_constraint(sampling: ar_pb2.SamplingParams) -> None:
    """Raises InvalidArgument if an image is asked to match a text."""
    kind = sampling.WhichOneof("constraint")
    if kind is not None:
        raise InvalidArgument(f"sampling.{kind}", "a constraint", "nothing: images hold no text")


def _choice(choice: ar_pb2.TextChoice) -> tuple[str, ...]:
    field, texts = "sampling.choice.texts", tuple(choice.texts)
    if not 1 <= len(texts) <= MAX_CHOICE_TEXTS:
        raise InvalidArgument(field, f"{len(texts)} texts", f"1 to {MAX_CHOICE_TEXTS:,}")
    if "" in texts:
        raise InvalidArgument(field, "", "texts that are not empty")
    _check_bytes(field, texts, 1)
    return texts


def _check_bytes(field: str, texts: tuple[str, ...] | list[str], least: int) -> None:
    num_bytes = sum(len(text.encode()) for text in texts)
    if not least <= num_bytes <= MAX_CONSTRAINT_BYTES:
        raise InvalidArgument(field, f"{num_bytes} bytes", f"{least} to {MAX_CONSTRAINT_BYTES:,} bytes")

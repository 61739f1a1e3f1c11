"""What an output has to match, as a request says it. Knows nothing of grammars and tokens."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["json_schema", "json_object", "regex", "lark", "choice"]


@dataclass(frozen=True)
class Constraint:
    """One of the kinds of tandem.ar.v1.SamplingParams.constraint; bounds are checked already, see api/constraint.py.

    `texts`: the schema, the expression, the grammar, or the texts to choose from; none for "json_object".
    """

    kind: Kind
    texts: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The request's field that it came in."""
        return f"sampling.{self.kind}"

"""Compiles constraints for one model, within limits that no grammar gets beyond. Knows nothing of requests."""

import hashlib
import time
from dataclasses import dataclass

from llguidance import LLMatcher, LLTokenizer

from runtime.process.limited_work import LimitedWork, LimitMet
from services.ar.constraints.allowance import BURST_SECONDS, Allowance
from services.ar.constraints.constraint import Constraint, Kind
from services.ar.constraints.grammar import grammar_of
from services.ar.constraints.grammar_mask import GrammarMask, check
from services.ar.constraints.limits import limited_matcher
from services.common.memory import Room
from tandem.shared.errors import InvalidArgument, TandemError, TooComplex

_ACCEPTED: dict[Kind, str] = {
    "json_schema": "a JSON Schema that an output can be held to",
    "json_object": "true",
    "regex": "a regular expression",
    "lark": "a grammar in llguidance's dialect of Lark",
    "choice": "texts",
}
_MOST_REASON_CHARACTERS = 300
_MOST_REMEMBERED = 1024


@dataclass(frozen=True)
class Compiled:
    """What became of a constraint: a matcher at its beginning, or why there is none."""

    matcher: LLMatcher | TandemError

    def masks(self, count: int, room: Room | None = None) -> list[GrammarMask]:
        """Return the masks of so many sequences of one request, which hold its `room` for as long as there are any.

        Raises what is wrong with the constraint.
        """
        if isinstance(self.matcher, TandemError):
            try:
                raise self.matcher
            finally:
                del self  # the traceback has this frame: a cycle, which would stay for the garbage collector
        allowance = Allowance()
        return [GrammarMask(self.matcher.deep_copy(), allowance, room) for _ in range(count)]


class Compiler:
    """Compiles for the tokens of `table`; any thread may call, one at a time. Owns child processes: see trial.py.

    What met a limit is remembered by its digest, and refused at once when it comes again.
    """

    def __init__(self, table: LLTokenizer) -> None:
        self._table = table
        self._trial = LimitedWork("services.ar.constraints.trial", num_spare=1)
        self._too_complex: dict[bytes, str] = {}  # why, by digest; what came last is last

    def close(self) -> None:
        """End what runs for it."""
        self._trial.close()

    def compile(self, constraint: Constraint) -> Compiled:
        """Return the compiled constraint, its first mask computed, or InvalidArgument or TooComplex in its place."""
        digest = hashlib.sha256(repr(constraint).encode()).digest()
        try:
            if digest in self._too_complex:
                raise TooComplex(self._too_complex[digest])
            return Compiled(self._matcher(constraint))
        except TandemError as error:
            if isinstance(error, TooComplex):
                self._remember(digest, error.why)
            return Compiled(error.with_traceback(None))  # whose frames hold a matcher

    def _remember(self, digest: bytes, why: str) -> None:
        self._too_complex.pop(digest, None)
        self._too_complex[digest] = why
        if len(self._too_complex) > _MOST_REMEMBERED:
            del self._too_complex[next(iter(self._too_complex))]

    def _matcher(self, constraint: Constraint) -> LLMatcher:
        try:
            grammar = grammar_of(constraint)
        except ValueError as error:
            raise _refusal(constraint, str(error)) from None
        try:
            self._trial.run(grammar)
        except LimitMet:
            raise TooComplex("the constraint takes too long, or too much memory, to compile") from None
        matcher = limited_matcher(self._table, grammar)
        if matcher.is_error():
            raise _refusal(constraint, matcher.get_error())
        self._try(constraint, matcher)
        return matcher

    def _try(self, constraint: Constraint, matcher: LLMatcher) -> None:
        """Compute the first mask, often the most expensive one, here, where it delays no other request."""
        started = time.thread_time()
        matcher.compute_bitmask()
        if matcher.is_error() and "NoExtension" in matcher.get_error():
            raise _refusal(constraint, "no text matches it")
        check(matcher)
        if time.thread_time() - started > BURST_SECONDS:
            raise TooComplex("the constraint takes too long to follow")


def _refusal(constraint: Constraint, reason: str) -> InvalidArgument:
    value = constraint.texts[0] if len(constraint.texts) == 1 else list(constraint.texts)
    reason = " ".join(reason.removesuffix("<non-verbose/>").split())[:_MOST_REASON_CHARACTERS]
    return InvalidArgument(constraint.field, value, f"{_ACCEPTED[constraint.kind]} ({reason})")

"""Compiles constraints for one model, within limits that no grammar gets beyond. Knows nothing of requests."""

import asyncio
import hashlib
import math
import time
from collections.abc import Sequence
from functools import partial

from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from runtime.deadlines import Deadline
from runtime.memory import Memory
from runtime.process.limited_work import LimitedWork, LimitMet
from services.ar.codecs.text_codec import TextCodec
from services.ar.constraints.grammar import Constraint, Kind, grammar_of, limited_matcher
from services.ar.constraints.grammar_mask import BURST_SECONDS, GrammarMask, check, request_masks
from services.common.batching.request import BatchObserver
from services.common.batching.work_thread import WorkThread
from tandem.shared.errors import InvalidArgument, TooComplex

MAX_GRAMMAR_BYTES = 40_000_000
"""39 MB were measured of the worst of the grammars in the tests."""


def grammar_memory(max_bytes: int, max_caller_share: float) -> Memory:
    """Return room for as many grammars as take `max_bytes`, at least one."""
    return Memory(
        "the memory for constraints of open requests", max(1, max_bytes // MAX_GRAMMAR_BYTES), max_caller_share
    )


_ACCEPTED: dict[Kind, str] = {
    "json_schema": "a JSON Schema that an output can be held to",
    "json_object": "true",
    "regex": "a regular expression",
    "lark": "a grammar in llguidance's dialect of Lark",
    "choice": "texts",
}
_MOST_REASON_CHARACTERS = 300
_MOST_REMEMBERED = 1024


class Compiler:
    """Compiles for the tokens of `table`; any thread may call, one at a time. Owns child processes: see grammar.py.

    What met a limit is remembered by its digest, and refused at once when it comes again.
    """

    def __init__(self, table: LLTokenizer) -> None:
        self._table = table
        self._trial = LimitedWork("services.ar.constraints.grammar", num_spare=1)
        self._too_complex: dict[bytes, str] = {}  # why, by digest; what came last is last

    def close(self) -> None:
        """End what runs for it."""
        self._trial.close()

    def compile(self, constraint: Constraint) -> LLMatcher:
        """Return a matcher at its beginning, its first mask computed. Raises InvalidArgument, TooComplex."""
        digest = hashlib.sha256(repr(constraint).encode()).digest()
        if digest in self._too_complex:
            self._remember(digest, self._too_complex[digest])
            raise TooComplex(self._too_complex[digest])
        try:
            return self._matcher(constraint)
        except TooComplex as error:
            self._remember(digest, error.why)
            raise

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


def _refusal(whole: Constraint, error: str) -> InvalidArgument:
    constraint, reason = whole.blamed(error)
    value = constraint.texts[0] if len(constraint.texts) == 1 else list(constraint.texts)
    reason = " ".join(reason.removesuffix("<non-verbose/>").split())[:_MOST_REASON_CHARACTERS]
    return InvalidArgument(constraint.field, value, f"{_ACCEPTED[constraint.kind]} ({reason})")


MAX_QUEUED = 256


class Compilations(WorkThread):
    """Owns the compiler.

    max_caller_share: of the places in the queue, what one caller may hold. max_wait_seconds: how long a
    constraint may be expected to wait. memory: what the grammars of all open requests share.
    """

    def __init__(
        self,
        name: str,
        compiler: Compiler,
        observer: BatchObserver,
        max_caller_share: float,
        max_wait_seconds: float,
        memory: Memory,
    ) -> None:
        max_queued_of_caller = max(1, math.floor(max_caller_share * MAX_QUEUED))
        super().__init__(name, MAX_QUEUED, max_queued_of_caller, max_wait_seconds, observer)
        self._compiler = compiler
        self._memory = memory

    async def stop(self) -> None:
        """Fail the requests that still wait, and end the compiler once it has finished its current constraint."""
        await super().stop()
        await asyncio.to_thread(self._compiler.close)

    async def masks(self, constraint: Constraint, count: int, deadline: Deadline, caller: str) -> list[GrammarMask]:
        """Return masks for so many sequences of one request.

        Raises InvalidArgument if there is no such grammar, TooComplex if it goes beyond what one request may take,
        ResourceExhausted if too many wait, or are open.
        """
        reservation = self._memory.reserve(caller)
        try:
            matcher = await self.run(partial(self._compiler.compile, constraint), deadline, caller)
        except BaseException:
            reservation.give_back()  # now: the error may hold it for long
            raise
        return request_masks(matcher, count, reservation)


def token_table(codec: TextCodec, num_tokens: int) -> LLTokenizer:
    """Return the table of tokens 0 to num_tokens - 1; 0.2 s and 24 MiB for 49,152 of them.

    There must be a token that ends an output.
    """
    eos_token_ids = sorted(codec.eos_token_ids)
    return LLTokenizer(TokenizerWrapper(_Tokens(codec, num_tokens)), n_vocab=num_tokens, eos_token=eos_token_ids)


class _Tokens:
    """What llguidance.TokenizerWrapper asks for."""

    bos_token_id: int | None = None

    def __init__(self, codec: TextCodec, num_tokens: int) -> None:
        self._codec = codec
        self.eos_token_id = min(codec.eos_token_ids)
        self.tokens: Sequence[bytes] = [codec.token_bytes(token_id) for token_id in range(num_tokens)]
        self.special_token_ids = sorted(token_id for token_id in codec.special_token_ids if token_id < num_tokens)
        self._of_byte = {token: token_id for token_id, token in enumerate(self.tokens) if len(token) == 1}

    def __call__(self, text: bytes) -> list[int]:
        """Return the tokens that a text is usually written in: where but one text can follow, those are chosen.

        Some tokenizers put a space before every text, and all take what looks like a control token for one. What they
        make of this text is then another one, and it is written byte by byte, as far as there are such tokens.
        """
        token_ids = self._codec.tokens_within(text.decode(errors="replace"))
        is_plain = self._codec.special_token_ids.isdisjoint(token_ids)
        if is_plain and b"".join(self.tokens[token_id] for token_id in token_ids) == text:
            return token_ids
        return [self._of_byte[byte] for byte in (bytes([value]) for value in text) if byte in self._of_byte]

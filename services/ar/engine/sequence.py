"""One sequence of tokens in the engine: a choice being generated, or a text being scored."""

import enum
import math
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from typing import Protocol

from services.ar.engine.groups import TokenGroups


@dataclass(frozen=True)
class SamplingParams:
    """Mirrors tandem.ar.v1.SamplingParams with its defaults filled in; the ranges are documented there."""

    seed: int = 0
    max_tokens: int = 256
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    stop_token_ids: frozenset[int] = frozenset()
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    ignore_eos: bool = False
    n: int = 1
    logprobs: bool = False
    top_logprobs: int = 0
    steps: int = 0
    """Steps that generate all of max_tokens, in an image model that generates several tokens a step; else 0."""
    tokens_per_step: int = 1
    """Tokens that a step generates together, in a text model."""
    speculative_tokens: int | None = None
    """The most that a step may try ahead; None: as many as the scheduler's drafter has."""

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0.0

    @property
    def has_penalties(self) -> bool:
        return self.repetition_penalty != 1.0 or self.presence_penalty != 0.0 or self.frequency_penalty != 0.0

    @property
    def truncates(self) -> bool:
        return self.top_k > 0 or self.top_p < 1.0 or self.min_p > 0.0

    @property
    def is_plain(self) -> bool:
        """Whether tokens are drawn as the model itself would draw them."""
        is_free = not (self.truncates or self.has_penalties or self.logit_bias or self.stop_token_ids)
        return self.temperature == 1.0 and is_free


class TokenMask(Protocol):
    """Follows one sequence's output; its state is that behind all tokens it was advanced by. Used by one thread."""

    @property
    def is_complete(self) -> bool:
        """Whether the output is one that was asked for, and no token can follow it."""

    def masks(self, draft: tuple[int, ...]) -> list[bytes]:
        """Return which tokens may come next, and which behind each token of the draft; the state stays as it is.

        One bit for each token, the first in the lowest bit of the first byte. The list ends early where a token of the
        draft is ruled out or completes the output. Raises TandemError if the allowed tokens cannot be computed.
        """

    def num_allowed(self, draft: tuple[int, ...]) -> int:
        """Return how many tokens of the draft may follow one after another, without completing the output."""

    def advance(self, token_ids: list[int]) -> None:
        """Take tokens that were generated. Raises TandemError if the next ones cannot be computed, ValueError if they
        had been ruled out."""

    def take_certain(self, most: int) -> list[int]:
        """Take, and return, up to `most` tokens that come next whatever the model says. Raises as `advance` does."""


MOST_CERTAIN_TOKENS = 16
"""Taken at once: what is computed with the next token holds up the step's other sequences."""


class FinishReason(enum.Enum):
    """Why a sequence ended by itself."""

    STOP = "stop"
    LENGTH = "length"
    SCORED = "scored"


@dataclass(frozen=True)
class Alternative:
    """A token that could have stood at a place, with its natural log-probability."""

    token_id: int
    logprob: float


@dataclass(slots=True)  # not frozen: a step makes one for each row, at twice the time then
class SampledToken:
    """A token with, when asked for, its log-probability under the bare model and the best alternatives."""

    token_id: int
    logprob: float | None = None
    alternatives: tuple[Alternative, ...] = ()


@dataclass(eq=False)
class Sequence:
    """The engine's state of one sequence; changed by the scheduler alone.

    Invariant: the KV cache holds the first `num_computed_tokens` of `token_ids`, in the blocks of `block_table`.
    """

    prompt_token_ids: list[int]
    params: SamplingParams
    eos_token_ids: frozenset[int] = frozenset()
    choice_index: int = 0
    is_scored: bool = False
    num_context_tokens: int = 1
    """Of a scored text: tokens at its beginning that are not scored."""
    caller: str = ""
    """Whose it is: callers take turns when sequences wait."""
    latest_start: float = math.inf
    """When it must run at the latest to end by its deadline, as far as is known; monotonic seconds."""
    cache_salt: bytes = b""
    """Sequences share computed blocks only with those of the same salt; see block_pool.py."""
    token_mask: TokenMask | None = None
    """What rules tokens out of its output; it follows `token_ids`, so nothing that is computed again concerns it."""
    is_streamed: bool = True
    """Whether its reader needs each token at once; else several may come together. See request_stream.py."""
    mask_token_id: int | None = None
    """What stands for a token to be predicted, in a model that can predict several at a time."""
    groups: TokenGroups | None = None
    """Which of its tokens are generated, or scored, together; None: each by itself."""

    ending_token_ids: frozenset[int] = field(init=False)
    """Token ids that end the output."""
    token_ids: list[int] = field(init=False)
    num_certain_tokens: int = field(default=0, init=False)
    """Tokens at its end that its mask left no choice about, since the last one that was drawn."""
    num_computed_tokens: int = field(default=0, init=False)
    block_table: list[int] = field(default_factory=list, init=False)
    block_keys: list[bytes] = field(default_factory=list, init=False)
    """Of its first full blocks, as far as they were wanted; see block_pool.py."""
    num_cached_tokens: int | None = field(default=None, init=False)
    """Tokens of the prompt that were in the cache when it was first taken in; None before, and without such a cache."""

    num_scored_tokens: int = field(default=0, init=False)
    """Of a scored text, the tokens whose scores its reader has: a preemption takes back none of them."""
    last_step: int = field(default=0, init=False)
    """The number of the last step that it took part in; see scheduler.py."""
    scheduled_at: float | None = field(default=None, init=False)
    """When it was first taken into a step, monotonic seconds."""
    num_drafted_tokens: int = field(default=0, init=False)
    """Tokens that it has tried ahead."""
    num_accepted_tokens: int = field(default=0, init=False)
    """Tokens, of those, that proved to be the ones generated."""
    num_steps: int = field(default=0, init=False)
    sum_batch_sizes: int = field(default=0, init=False)
    """Sequences in each of its steps, summed."""

    def __post_init__(self) -> None:
        self.token_ids = list(self.prompt_token_ids)
        own = frozenset() if self.params.ignore_eos else self.eos_token_ids
        self.ending_token_ids = own | self.params.stop_token_ids

    @property
    def num_prompt_tokens(self) -> int:
        return len(self.prompt_token_ids)

    @property
    def num_output_tokens(self) -> int:
        return len(self.token_ids) - len(self.prompt_token_ids)

    @property
    def output_token_ids(self) -> list[int]:
        return self.token_ids[len(self.prompt_token_ids) :]

    @property
    def num_uncomputed_tokens(self) -> int:
        """Tokens whose keys and values are still wanted; when scored, the last token or group predicts nothing."""
        if self.is_scored and self.groups is not None:
            return self.groups.num_given_tokens - self.num_computed_tokens
        return len(self.token_ids) - int(self.is_scored) - self.num_computed_tokens

    @property
    def is_prompt(self) -> bool:
        """Whether more is to be computed before its next token than an output takes a step."""
        if self.groups is not None:
            return self.num_computed_tokens + 1 < self.groups.num_prompt_tokens
        return self.num_uncomputed_tokens > 1 + self.num_certain_tokens

    @property
    def has_places(self) -> bool:
        """Whether its output is written in another order than that of the text."""
        return self.groups is not None and bool(self.groups.places)

    @property
    def text_prompt_token_ids(self) -> list[int]:
        """The tokens before the output; the others of the prompt have places in it."""
        num_given = len(self.groups.places) - len(self.groups.new_places) if self.groups is not None else 0
        return self.prompt_token_ids[: len(self.prompt_token_ids) - num_given]

    @property
    def final_token_ids(self) -> frozenset[int]:
        """Token ids behind which none is generated; where tokens have places of their own, others stand before them."""
        return frozenset() if self.has_places else self.ending_token_ids

    def text_positions(self, positions: range) -> SequenceOf[int]:
        """Return where in the text its tokens, or MASK rows, at these positions stand."""
        return positions if self.groups is None else self.groups.text_positions(positions)

    @property
    def is_complete(self) -> bool:
        """Whether nothing can follow its output, as a mask says."""
        return self.token_mask is not None and self.token_mask.is_complete

    def extend(self, tokens: list[SampledToken]) -> None:
        """Add tokens to the output; count them if they were scored. Raises what `TokenMask.advance` does."""
        if self.is_scored:
            self.num_scored_tokens += len(tokens)
            return
        token_ids = [token.token_id for token in tokens]
        self.token_ids.extend(token_ids)
        if self.token_mask is not None:
            self.token_mask.advance(token_ids)

    def extend_certain(self) -> list[SampledToken]:
        """Add, and return, what the mask leaves no choice about, unless log-probabilities of it are wanted.

        The model would draw the same tokens, one a step. They are computed with the one before them instead, in the
        step that draws the next. Raises what `TokenMask.take_certain` does.
        """
        self.num_certain_tokens = 0
        if self.token_mask is None or self.params.logprobs:
            return []
        most = min(MOST_CERTAIN_TOKENS, self.params.max_tokens - self.num_output_tokens)
        token_ids = self.token_mask.take_certain(most)
        ending = (place for place, token_id in enumerate(token_ids, 1) if token_id in self.ending_token_ids)
        token_ids = token_ids[: next(ending, None)]
        self.token_ids.extend(token_ids)
        self.num_certain_tokens = len(token_ids)
        return list(map(SampledToken, token_ids))

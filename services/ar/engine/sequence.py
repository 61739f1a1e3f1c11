"""One sequence of tokens in the engine: a choice being generated, or a text being scored."""

import enum
import math
from dataclasses import dataclass, field

from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.token_groups import TokenGroups
from services.ar.engine.token_mask import TokenMask


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
    caller: str = ""
    """Whose it is: callers take turns when sequences wait."""
    latest_start: float = math.inf
    """When it must run at the latest to end by its deadline, as far as is known; monotonic seconds."""
    cache_salt: bytes = b""
    """Sequences share computed blocks only with those of the same salt; see prefix_cache.py."""
    token_mask: TokenMask | None = None
    """What rules tokens out of its output; it follows `token_ids`, so nothing that is computed again concerns it."""
    is_streamed: bool = True
    """Whether its reader needs each token at once; else several may come together. See gathering.py."""
    mask_token_id: int | None = None
    """What stands for a token to be predicted, in a model that can predict several at a time."""
    groups: TokenGroups | None = None
    """Which of its tokens are generated, or scored, together; None: each by itself."""

    ending_token_ids: frozenset[int] = field(init=False)
    """Token ids that end the output."""
    token_ids: list[int] = field(init=False)
    num_computed_tokens: int = field(default=0, init=False)
    block_table: list[int] = field(default_factory=list, init=False)
    block_keys: list[bytes] = field(default_factory=list, init=False)
    """Of its first full blocks, as far as they were wanted; see prefix_cache.py."""
    num_cached_tokens: int | None = field(default=None, init=False)
    """Tokens of the prompt that were in the cache when it was first taken in; None before, and without such a cache."""

    num_scored_tokens: int = field(default=0, init=False)
    """Of a scored text, the tokens whose scores its reader has: a preemption takes back none of them."""
    last_step: int = field(default=0, init=False)
    """The number of the last step that it took part in; see scheduler.py."""
    scheduled_at: float | None = field(default=None, init=False)
    """When it was first taken into a step, monotonic seconds."""
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
        return self.num_uncomputed_tokens > 1 and (self.groups is None or self.num_computed_tokens == 0)

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

"""From a request's protobuf fields to checked domain values; every range of ar.proto is enforced here."""

import math
import secrets
from collections.abc import Collection, Iterable
from typing import Literal

from services.ar.constraints.grammar import Constraint, Kind
from services.ar.engine.sequence import SamplingParams
from services.common.bounds import check_int
from services.common.images.encoding import Encoding
from services.common.images.messages import check_encoding
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument, PromptTooLong
from tandem.shared.model_spec import ImageSpec

MAX_TOP_LOGPROBS = 20
MAX_CHOICES = 16
MAX_STOP_STRINGS = 16
MAX_STOP_CHARACTERS = 256
MAX_STOP_TOKEN_IDS = 64
MAX_LOGIT_BIASES = 1024
MAX_SPECULATIVE_TOKENS = 64
MAX_TOKENS_PER_STEP = 64
DEFAULT_MAX_TOKENS = 256
MIN_REPETITION_PENALTY = 0.01
"""With less, one token that was seen before outweighs every other whatever the model says."""


def check_prompt(field: str, token_ids: list[int], vocab_size: int, max_context_tokens: int) -> None:
    """Raises InvalidArgument if the prompt is empty, leaves no room for output, or holds an id that is none."""
    if not token_ids:
        raise InvalidArgument(field, [], "at least one token")
    if len(token_ids) >= max_context_tokens:
        raise PromptTooLong(field, f"{len(token_ids)} tokens", f"at most {max_context_tokens - 1} tokens")
    check_token_ids(field, token_ids, vocab_size)


def sampling_params(
    request: ar_pb2.GenerateRequest,
    num_prompt_tokens: int,
    num_output_tokens: int,
    max_context_tokens: int,
    default_max_tokens: int = DEFAULT_MAX_TOKENS,
    takes_steps: bool = False,
    recommended: ar_pb2.SamplingParams | None = None,
    most_tokens_per_step: int = 1,
    window_tokens: int = 0,
) -> SamplingParams:
    """Return the request's parameters with defaults filled in. Raises InvalidArgument.

    The model generates tokens 0 to num_output_tokens - 1, several a step if it `takes_steps`, or as many as
    `most_tokens_per_step` at a time; `window_tokens` of an output, if there is such a bound. What is `recommended`
    holds where the request says nothing of how tokens are chosen.
    """
    raw = _filled(request.sampling, recommended)
    room = max_context_tokens - num_prompt_tokens
    if window_tokens:
        room = min(room, window_tokens)
    max_tokens = raw.max_tokens if raw.HasField("max_tokens") else min(default_max_tokens, room)
    if room < max_tokens < max_context_tokens and not window_tokens:
        raise PromptTooLong("sampling.max_tokens", max_tokens, f"1 to {room}, behind {num_prompt_tokens} of the prompt")
    check_int("sampling.max_tokens", max_tokens, 1, room)
    check_int("sampling.min_tokens", raw.min_tokens, 0, max_tokens)
    _check_ids("sampling.stop_token_ids", raw.stop_token_ids, MAX_STOP_TOKEN_IDS, num_output_tokens)
    _check_ids("sampling.logit_bias", raw.logit_bias, MAX_LOGIT_BIASES, num_output_tokens)
    biases = {id_: _number("sampling.logit_bias", bias, -100.0, 100.0) for id_, bias in raw.logit_bias.items()}
    if request.top_logprobs and not request.logprobs:
        raise InvalidArgument("top_logprobs", request.top_logprobs, "0 unless logprobs is true")
    return SamplingParams(
        seed=raw.seed if raw.HasField("seed") else secrets.randbits(63),
        max_tokens=max_tokens,
        min_tokens=raw.min_tokens,
        temperature=_number("sampling.temperature", raw.temperature, 0.0, 10.0),
        top_k=check_int("sampling.top_k", raw.top_k, 0, 2**31 - 1),
        top_p=_positive("sampling.top_p", raw.top_p, 1.0),
        min_p=_number("sampling.min_p", raw.min_p, 0.0, 1.0),
        repetition_penalty=_number("sampling.repetition_penalty", raw.repetition_penalty, MIN_REPETITION_PENALTY, 10.0),
        presence_penalty=_number("sampling.presence_penalty", raw.presence_penalty, -2.0, 2.0),
        frequency_penalty=_number("sampling.frequency_penalty", raw.frequency_penalty, -2.0, 2.0),
        stop=_stop_strings(raw.stop),
        stop_token_ids=frozenset(raw.stop_token_ids),
        logit_bias=biases,
        ignore_eos=raw.ignore_eos,
        n=check_int("sampling.n", raw.n, 1, MAX_CHOICES),
        logprobs=request.logprobs,
        top_logprobs=check_top_logprobs(request.top_logprobs, num_output_tokens),
        speculative_tokens=_speculative_tokens(raw),
        steps=check_steps("sampling.steps", _given(raw, "steps"), max_tokens, takes_steps),
        tokens_per_step=check_tokens_per_step(
            "sampling.tokens_per_step", _given(raw, "tokens_per_step"), most_tokens_per_step
        ),
    )


def _given(raw: ar_pb2.SamplingParams, name: Literal["steps", "tokens_per_step", "speculative_tokens"]) -> int | None:
    return getattr(raw, name) if raw.HasField(name) else None


def _speculative_tokens(raw: ar_pb2.SamplingParams) -> int | None:
    most = _given(raw, "speculative_tokens")
    return None if most is None else check_int("sampling.speculative_tokens", most, 0, MAX_SPECULATIVE_TOKENS)


def _filled(raw: ar_pb2.SamplingParams, recommended: ar_pb2.SamplingParams | None) -> ar_pb2.SamplingParams:
    """Return the parameters with defaults, and what is recommended, where they do not say how to choose tokens."""
    is_chosen = any(map(raw.HasField, ("temperature", "top_p", "repetition_penalty"))) or raw.top_k or raw.min_p
    filled = ar_pb2.SamplingParams(temperature=1.0, top_p=1.0, repetition_penalty=1.0, n=1)
    if recommended is not None and not is_chosen:
        filled.MergeFrom(recommended)
    filled.MergeFrom(raw)
    return filled


def check_steps(field: str, steps: int | None, num_tokens: int, takes_steps: bool) -> int:
    """Return how many steps generate `num_tokens` tokens, which is the default; 0 for a model without steps."""
    if steps is None:
        return num_tokens if takes_steps else 0
    if not takes_steps:
        raise InvalidArgument(field, steps, "nothing: this model generates one token per step")
    return check_int(field, steps, 1, num_tokens)


def check_tokens_per_step(field: str, tokens_per_step: int | None, most: int) -> int:
    """Return how many tokens a step generates together, `most` at most."""
    if tokens_per_step not in (None, 1) and most == 1:
        raise InvalidArgument(field, tokens_per_step, "1: this model does not generate several tokens per step by it")
    return 1 if tokens_per_step is None else check_int(field, tokens_per_step, 1, most)


def given_tokens(
    request: ar_pb2.GenerateRequest, max_tokens: int, num_output_tokens: int, window: int
) -> dict[int, int]:
    """Return the tokens of the output that are given, by their places in it. Raises InvalidArgument."""
    given = dict(request.given_tokens)
    if given and not window:
        raise InvalidArgument("given_tokens", f"{len(given)} tokens", "none: this model writes from left to right")
    if len(given) >= max_tokens:
        raise InvalidArgument("given_tokens", f"{len(given)} tokens", f"fewer than max_tokens {max_tokens}")
    for place in given:
        check_int("given_tokens", place, 0, max_tokens - 1)
    check_token_ids("given_tokens", given.values(), num_output_tokens)
    return given


def check_top_logprobs(top_logprobs: int, num_output_tokens: int) -> int:
    """Return how many alternatives are reported for each token. Raises InvalidArgument."""
    return check_int("top_logprobs", top_logprobs, 0, min(MAX_TOP_LOGPROBS, num_output_tokens))


def image_encoding(request: ar_pb2.GenerateRequest, spec: ImageSpec) -> Encoding:
    """Return how an image model is to encode its images. Raises InvalidArgument, also for options of texts."""
    if request.sampling.stop:
        raise InvalidArgument("sampling.stop", list(request.sampling.stop), "nothing: images hold no text")
    if kind := request.sampling.WhichOneof("constraint"):
        raise InvalidArgument(f"sampling.{kind}", "a constraint", "nothing: images hold no text")
    if request.report_drafts:
        raise InvalidArgument("report_drafts", True, "false: images hold no text")
    return check_encoding("image_encoding", request.image_encoding, spec)


def _number(field: str, value: float, low: float, high: float) -> float:
    if not (math.isfinite(value) and low <= value <= high):
        raise InvalidArgument(field, value, f"{low:g} to {high:g}")
    return value


def _positive(field: str, value: float, high: float) -> float:
    if not (math.isfinite(value) and 0.0 < value <= high):
        raise InvalidArgument(field, value, f"above 0 to {high:g}")
    return value


def _stop_strings(stops: Iterable[str]) -> tuple[str, ...]:
    stops = tuple(stops)
    if len(stops) > MAX_STOP_STRINGS:
        raise InvalidArgument("sampling.stop", f"{len(stops)} strings", f"at most {MAX_STOP_STRINGS}")
    for stop in stops:
        if not 1 <= len(stop) <= MAX_STOP_CHARACTERS:
            raise InvalidArgument("sampling.stop", stop, f"strings of 1 to {MAX_STOP_CHARACTERS} characters")
    return stops


def _check_ids(field: str, token_ids: Collection[int], most: int, vocab_size: int) -> None:
    if len(token_ids) > most:
        raise InvalidArgument(field, f"{len(token_ids)} ids", f"at most {most}")
    check_token_ids(field, token_ids, vocab_size)


def check_token_ids(field: str, token_ids: Iterable[int], vocab_size: int) -> None:
    """Raises InvalidArgument, about `field`, for the first id that is no token."""
    for token_id in token_ids:
        if not 0 <= token_id < vocab_size:
            raise InvalidArgument(field, token_id, f"token ids 0 to {vocab_size - 1}")


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

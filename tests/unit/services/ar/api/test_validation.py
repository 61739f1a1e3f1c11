import pytest

from services.ar.api.validation import check_prompt, constraint_of, given_tokens, image_encoding, sampling_params
from services.ar.engine.sequence import SamplingParams
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument
from tandem.shared.model_spec import ImageSpec


def check(
    num_prompt_tokens: int = 10, request: dict | None = None, num_output_tokens: int = 100, **fields: object
) -> SamplingParams:
    message = ar_pb2.GenerateRequest(sampling=ar_pb2.SamplingParams(**fields), **(request or {}))
    return sampling_params(message, num_prompt_tokens, num_output_tokens, max_context_tokens=64)


def test_defaults():
    params = check(seed=5)
    assert params == SamplingParams(seed=5, max_tokens=54)
    assert check(num_prompt_tokens=63).max_tokens == 1


@pytest.mark.parametrize(
    ("fields", "field", "accepted"),
    [
        ({"temperature": float("nan")}, "sampling.temperature", "0 to 10"),
        ({"temperature": -0.1}, "sampling.temperature", "0 to 10"),
        ({"top_p": 2.0}, "sampling.top_p", "above 0 to 1"),
        ({"top_p": 0.0}, "sampling.top_p", "above 0 to 1"),
        ({"top_k": -1}, "sampling.top_k", "0 to"),
        ({"min_p": 1.5}, "sampling.min_p", "0 to 1"),
        ({"repetition_penalty": 0.0}, "sampling.repetition_penalty", "0.01 to 10"),
        ({"presence_penalty": 3.0}, "sampling.presence_penalty", "-2 to 2"),
        ({"frequency_penalty": float("inf")}, "sampling.frequency_penalty", "-2 to 2"),
        ({"max_tokens": 0}, "sampling.max_tokens", "1 to 54"),
        ({"max_tokens": 55}, "sampling.max_tokens", "1 to 54, behind 10 of the prompt"),
        ({"max_tokens": 64}, "sampling.max_tokens", "1 to 54"),
        ({"max_tokens": 5, "min_tokens": 6}, "sampling.min_tokens", "0 to 5"),
        ({"n": 10**9}, "sampling.n", "1 to 16"),
        ({"n": 0}, "sampling.n", "1 to 16"),
        ({"stop": [""]}, "sampling.stop", "strings of 1 to 256 characters"),
        ({"stop": ["a"] * 17}, "sampling.stop", "at most 16"),
        ({"stop_token_ids": [100]}, "sampling.stop_token_ids", "token ids 0 to 99"),
        ({"logit_bias": {-1: 1.0}}, "sampling.logit_bias", "token ids 0 to 99"),
        ({"logit_bias": {1: 101.0}}, "sampling.logit_bias", "-100 to 100"),
        ({"request": {"top_logprobs": 3}}, "top_logprobs", "0 unless logprobs is true"),
        ({"request": {"logprobs": True, "top_logprobs": 21}}, "top_logprobs", "0 to 20"),
        ({"num_output_tokens": 8, "request": {"logprobs": True, "top_logprobs": 9}}, "top_logprobs", "0 to 8"),
        ({"num_output_tokens": 8, "stop_token_ids": [8]}, "sampling.stop_token_ids", "token ids 0 to 7"),
        ({"num_output_tokens": 8, "logit_bias": {9: 1.0}}, "sampling.logit_bias", "token ids 0 to 7"),
    ],
)
def test_bad_parameters_name_field_value_and_range(fields, field, accepted):
    with pytest.raises(InvalidArgument) as caught:
        check(**fields)
    assert caught.value.field == field
    assert str(caught.value).endswith(f"accepted: {accepted}") or accepted in str(caught.value)


@pytest.mark.parametrize(
    ("token_ids", "message"),
    [
        ([], "at least one token"),
        ([1] * 64, "'64 tokens' is not accepted; accepted: at most 63 tokens"),
        ([1, 100], "tokens: 100 is not accepted; accepted: token ids 0 to 99"),
        ([-1], "tokens: -1"),
    ],
)
def test_bad_prompts(token_ids, message):
    with pytest.raises(InvalidArgument, match=message):
        check_prompt("tokens", token_ids, vocab_size=100, max_context_tokens=64)


def test_the_encoding_of_pictures():
    assert image_encoding(ar_pb2.GenerateRequest(image_encoding=3), ImageSpec(shape=(2, 2, 1))) == "png"
    with pytest.raises(InvalidArgument, match="channels"):
        image_encoding(ar_pb2.GenerateRequest(image_encoding=3), ImageSpec(shape=(2, 2, 2)))


PLAIN = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}
RECOMMENDED = ar_pb2.SamplingParams(temperature=0.2, top_p=0.9, top_k=20)


def test_what_the_model_recommends_holds_where_nothing_is_said() -> None:
    request = ar_pb2.GenerateRequest(sampling=ar_pb2.SamplingParams(seed=3, presence_penalty=1.0))
    params = sampling_params(request, 1, 100, 64, recommended=RECOMMENDED)
    assert (params.temperature, params.top_p, params.top_k) == (0.2, 0.9, 20)
    assert (params.seed, params.presence_penalty) == (3, 1.0)


@pytest.mark.parametrize(
    "said", [{"temperature": 1.0}, {"top_p": 1.0}, {"top_k": 5}, {"min_p": 0.1}, {"repetition_penalty": 1.0}]
)
def test_one_word_of_the_request_sets_it_aside(said: dict[str, float]) -> None:
    request = ar_pb2.GenerateRequest(sampling=ar_pb2.SamplingParams(**said))
    params = sampling_params(request, 1, 100, 64, recommended=RECOMMENDED)
    assert {name: getattr(params, name) for name in PLAIN} == {**PLAIN, **said}


def sampling(**fields: object) -> ar_pb2.SamplingParams:
    return ar_pb2.SamplingParams(**fields)


def choice(*texts: str) -> ar_pb2.SamplingParams:
    return sampling(choice=ar_pb2.TextChoice(texts=texts))


@pytest.mark.parametrize(
    ("given", "field", "value", "accepted"),
    [
        (sampling(json_schema=""), "sampling.json_schema", "0 bytes", "2 to 65,536 bytes"),
        (sampling(json_schema=" " * 65_537), "sampling.json_schema", "65537 bytes", "2 to 65,536 bytes"),
        (sampling(json_object=False), "sampling.json_object", "False", "true, or no constraint at all"),
        (sampling(regex=""), "sampling.regex", "0 bytes", "1 to 65,536 bytes"),
        (sampling(regex="ä" * 32_769), "sampling.regex", "65538 bytes", "1 to 65,536 bytes"),
        (sampling(lark=""), "sampling.lark", "0 bytes", "1 to 65,536 bytes"),
        (choice(), "sampling.choice.texts", "0 texts", "1 to 1,000"),
        (choice(*"a" * 1001), "sampling.choice.texts", "1001 texts", "1 to 1,000"),
        (choice("a", ""), "sampling.choice.texts", "''", "texts that are not empty"),
        (choice("a" * 40_000, "b" * 40_000), "sampling.choice.texts", "80000 bytes", "1 to 65,536 bytes"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_field_value_and_range(given, field, value, accepted):
    with pytest.raises(InvalidArgument) as caught:
        constraint_of(given)
    assert caught.value.field == field
    assert value in str(caught.value)
    assert str(caught.value).endswith(f"accepted: {accepted}")


def test_tokens_a_step_and_tokens_given_are_for_models_that_take_them():
    message = ar_pb2.GenerateRequest(sampling={"tokens_per_step": 8, "max_tokens": 20}, given_tokens={3: 7})
    params = sampling_params(message, 10, 100, 64, most_tokens_per_step=64, window_tokens=32)
    assert (params.tokens_per_step, params.max_tokens) == (8, 20)
    assert given_tokens(message, 20, 100, 32) == {3: 7}
    assert sampling_params(ar_pb2.GenerateRequest(), 10, 100, 64, 32, window_tokens=32).max_tokens == 32
    assert check(tokens_per_step=1).tokens_per_step == 1
    with pytest.raises(InvalidArgument, match=r"sampling.tokens_per_step.*8.*1: this model"):
        check(tokens_per_step=8)
    for window, wanted, accepted in ((0, {3: 7}, "from left to right"), (32, {20: 7}, "0 to 19"), (32, {3: 100}, "99")):
        with pytest.raises(InvalidArgument, match=rf"given_tokens.*{accepted}"):
            given_tokens(ar_pb2.GenerateRequest(given_tokens=wanted), 20, 100, window)

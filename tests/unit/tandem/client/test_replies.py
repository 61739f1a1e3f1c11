"""Messages to plain values: no protobuf type is left in them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from google.protobuf.message import Message as ProtobufMessage

from tandem.ar.v1 import ar_pb2
from tandem.client import replies
from tandem.common.v1 import images_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def assert_plain(value: Any) -> None:
    for leaf in leaves(asdict(value)):
        assert leaf is None or type(leaf) in (str, bytes, int, float, bool)
        assert not isinstance(leaf, ProtobufMessage)


def test_chunk() -> None:
    message = ar_pb2.GenerateResponse(
        choice_index=1,
        token_ids=[4],
        text_delta="é",
        logprobs=[ar_pb2.TokenLogprob(token_id=4, logprob=-0.5, token=b"\xc3", alternatives=[ar_pb2.Alternative()])],
        finish_reason=ar_pb2.FINISH_REASON_STOP,
        matched_stop="x",
        usage=ar_pb2.Usage(prompt_tokens=1, cached_tokens=2, output_tokens=3, seed=2**64 - 1),
        timings=Timings(decode_seconds=0.5, mean_batch_size=2),
    )
    chunk = replies.generate_chunk(message)
    assert_plain(chunk)
    assert (chunk.choice_index, chunk.text, chunk.finish_reason, chunk.matched_stop) == (1, "é", "stop", "x")
    assert chunk.usage is not None
    assert chunk.usage.seed == 2**64 - 1
    assert chunk.timings is not None
    assert (chunk.timings.decode_seconds, chunk.timings.mean_batch_size) == (0.5, 2)
    assert chunk.logprobs[0].token == b"\xc3"
    assert len(chunk.logprobs[0].alternatives) == 1


def test_a_chunk_in_the_middle_has_no_end() -> None:
    chunk = replies.generate_chunk(ar_pb2.GenerateResponse(token_ids=[1]))
    assert (chunk.finish_reason, chunk.usage, chunk.timings) == (None, None, None)


def test_completion() -> None:
    length = ar_pb2.FINISH_REASON_LENGTH
    choices = [
        ar_pb2.GenerateResponse(text_delta="a", token_ids=[2], finish_reason=length),
        ar_pb2.GenerateResponse(choice_index=1, text_delta="bB", token_ids=[1, 3], finish_reason=length),
    ]
    reply = ar_pb2.CompleteResponse(
        choices=choices, usage=ar_pb2.Usage(output_tokens=3), timings=Timings(total_seconds=1)
    )
    completion = replies.completion(reply)
    assert_plain(completion)
    assert [choice.text for choice in completion.choices] == ["a", "bB"]
    assert [choice.token_ids for choice in completion.choices] == [(2,), (1, 3)]
    assert completion.choices[1].finish_reason == "length"
    assert completion.text == "a"
    assert completion.usage.output_tokens == 3
    assert completion.timings.total_seconds == 1


def test_a_chunk_s_picture() -> None:
    batch = images_pb2.ImageBatch(shape=[1, 1, 2, 1], encoding=images_pb2.ENCODING_RAW_UINT8, data=b"\x05\x06")
    chunk = replies.generate_chunk(ar_pb2.GenerateResponse(image=batch))
    assert_plain(chunk)
    assert chunk.image is not None
    assert chunk.image.pixels.tolist() == [[[[5], [6]]]]


def test_every_score_has_the_call_s_timings() -> None:
    likelihoods = [ar_pb2.Likelihood(total_logprob=-number, bits_per_token=1.0) for number in range(3)]
    message = ar_pb2.ScoreResponse(likelihoods=likelihoods, timings=Timings(total_seconds=2.0))
    scores = replies.scores(message)
    for score in scores:
        assert_plain(score)
    assert [score.total_logprob for score in scores] == [0, -1, -2]
    assert {score.timings.total_seconds for score in scores} == {2.0}


def test_images_of_a_part_have_no_timings() -> None:
    batch = images_pb2.ImageBatch(shape=[1, 1, 1, 1], encoding=images_pb2.ENCODING_RAW_UINT8, data=b"\x05")
    images = replies.images(gan_pb2.SampleResponse(images=batch, first_index=3))
    assert_plain(images)
    assert (images.first_index, images.timings, images.encoding) == (3, None, "uint8")
    assert images.pixels.tolist() == [[[[5]]]]


def test_every_field_of_a_model_is_told() -> None:
    [sequential] = replies.sequential_models(
        ar_pb2.ListModelsResponse(models=[ar_pb2.Model(name="a", image_shape=[1, 2, 3])])
    )
    [parallel] = replies.parallel_models(
        gan_pb2.ListModelsResponse(models=[gan_pb2.Model(name="b", image_shape=[1, 2, 3], class_names=["x"])])
    )
    assert_plain(sequential)
    assert_plain(parallel)
    sampling = ar_pb2.SamplingParams(temperature=0.5, top_k=20)
    [recommending] = replies.sequential_models(
        ar_pb2.ListModelsResponse(models=[ar_pb2.Model(default_sampling=sampling)])
    )
    assert recommending.default_sampling == {"temperature": 0.5, "top_k": 20}
    assert sequential.default_sampling == {}
    assert {field.name for field in ar_pb2.Model.DESCRIPTOR.fields} == set(asdict(sequential))
    assert {field.name for field in gan_pb2.Model.DESCRIPTOR.fields} == set(asdict(parallel))
    assert sequential.image_shape == (1, 2, 3)
    assert (parallel.image_shape, parallel.class_names) == ((1, 2, 3), ("x",))


def test_verdict() -> None:
    verdict = replies.verdict(gan_pb2.DiscriminateResponse(scores=[1, 2], feature_dim=3, features=range(6)))
    assert verdict.features.shape == (2, 3)
    assert replies.verdict(gan_pb2.DiscriminateResponse(scores=[1])).features.shape == (1, 0)


def test_timings_have_every_field() -> None:
    assert {field.name for field in Timings.DESCRIPTOR.fields} == set(asdict(replies.timings(Timings())))

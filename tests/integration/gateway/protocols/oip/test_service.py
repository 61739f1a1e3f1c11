"""What clients ask before they send work: readiness, metadata, configuration, the index; and what is not there."""

from __future__ import annotations

import grpc
import pytest
from tritonclient.grpc import service_pb2
from tritonclient.grpc.aio import InferenceServerClient as Client
from tritonclient.utils import InferenceServerException

from tests.integration.gateway.fakes import FakeBackend
from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, TEXT
from tests.integration.gateway.running import RunningGateway, running_gateway

SERVICE = "/inference.GRPCInferenceService/"


async def test_the_server_says_what_it_is(client: Client) -> None:
    assert await client.is_server_live()
    assert await client.is_server_ready()
    metadata = await client.get_server_metadata()
    assert metadata.name == "tandem"
    assert "statistics" in metadata.extensions
    for model in (TEXT, PICTURES, IMAGES):
        assert await client.is_model_ready(model)
        assert await client.is_model_ready(model, "1")
    assert not await client.is_model_ready("nothing")
    assert not await client.is_model_ready(TEXT, "2")
    index = await client.get_model_repository_index()
    assert {(model.name, model.version, model.state) for model in index.models} == {
        (model, "1", "READY") for model in (TEXT, PICTURES, IMAGES)
    }


async def test_a_text_model_is_decoupled_and_has_no_batch(client: Client) -> None:
    config = (await client.get_model_config(TEXT)).config
    assert config.model_transaction_policy.decoupled
    assert config.max_batch_size == 0
    assert not config.HasField("sequence_batching")
    assert config.platform not in ("", "ensemble")
    assert {each.name for each in config.input if not each.optional} == {"text_input"}
    metadata = await client.get_model_metadata(TEXT)
    assert {each.name: (each.datatype, list(each.shape)) for each in metadata.inputs} == {
        "text_input": ("BYTES", [1]),
        "sampling_parameters": ("BYTES", [1]),
        "stream": ("BOOL", [1]),
        "exclude_input_in_output": ("BOOL", [1]),
        "return_finish_reason": ("BOOL", [1]),
        "return_cumulative_logprob": ("BOOL", [1]),
        "return_logprobs": ("BOOL", [1]),
        "return_num_input_tokens": ("BOOL", [1]),
        "return_num_output_tokens": ("BOOL", [1]),
    }
    assert metadata.outputs[0].name == "text_output"


async def test_the_generator_has_its_batch_first(client: Client) -> None:
    config = (await client.get_model_config(IMAGES)).config
    assert not config.model_transaction_policy.decoupled
    assert config.max_batch_size > 1
    assert all(each.optional for each in config.input)
    metadata = await client.get_model_metadata(IMAGES)
    shapes = {each.name: list(each.shape) for each in (*metadata.inputs, *metadata.outputs)}
    assert (shapes["seed"], shapes["label"], shapes["images"]) == ([-1, 1], [-1, 1], [-1, 28, 28, 1])
    [latent_dim] = next(each.dims for each in config.input if each.name == "latents")
    assert shapes["latents"] == [-1, latent_dim]


@pytest.mark.parametrize("ask", ["get_model_metadata", "get_model_config", "get_inference_statistics"])
async def test_a_model_that_is_not_there(client: Client, ask: str) -> None:
    for arguments, words in (
        (("nothing",), "there is no 'nothing'; there are: fashion-gan, tiny, tiny-image"),
        ((TEXT, "2"), "model_version: there is no '2'; there are: 1"),
    ):
        with pytest.raises(InferenceServerException) as refused:
            await getattr(client, ask)(*arguments)
        assert refused.value.status() == "StatusCode.NOT_FOUND"
        assert words in refused.value.message()


async def test_what_is_not_there_is_unimplemented(gateway: RunningGateway) -> None:
    service = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    here = {
        *("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelConfig"),
        *("ModelInfer", "ModelStreamInfer", "ModelStatistics", "RepositoryIndex"),
    }
    for method in service.methods:
        if method.name not in here:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await gateway.unary(SERVICE + method.name, b"")
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert here < {method.name for method in service.methods}


async def test_a_backend_that_is_gone_is_not_ready(ar: FakeBackend, gan: FakeBackend) -> None:
    async with running_gateway([ar], [gan]) as gateway, Client(f"127.0.0.1:{gateway.gateway.server.port}") as client:
        assert await client.is_server_ready()
        await ar.stop()
        await gateway.until(serving=False)
        assert await client.is_server_live()
        assert not await client.is_server_ready()
        assert not await client.is_model_ready("fake-text")
        with pytest.raises(InferenceServerException, match="sequential backend is not ready") as refused:
            await client.get_model_metadata("fake-text")
        assert refused.value.status() == "StatusCode.UNAVAILABLE"


async def test_a_call_without_a_message(gateway: RunningGateway) -> None:
    call = gateway.channel.stream_unary(SERVICE + "ModelInfer")()
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT

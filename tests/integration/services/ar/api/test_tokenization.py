"""Tokenize, Detokenize and DescribeTokenizer over real gRPC: the tokens that Generate gets, and what is refused."""

from tandem.ar.v1 import ar_pb2
from tests.tiny_models import CHAT_TEMPLATE

TEXT = "The two clocks <|end|> w\u00f6rld \U0001f600"
CHAT = {"messages": [{"role": "user", "content": TEXT}]}


async def prompt_tokens(backend, **prompt) -> int:
    responses = await backend.generate(ar_pb2.GenerateRequest(model="tiny", sampling={"max_tokens": 1}, **prompt))
    return responses[-1].usage.prompt_tokens


async def test_a_text_s_tokens_are_those_of_a_prompt_and_come_back_as_the_text(backend):
    reply = await backend.stub.Tokenize(ar_pb2.TokenizeRequest(text=TEXT))
    assert list(reply.ids) == backend.worker.get("").codec.encode(TEXT)
    assert len(reply.ids) == await prompt_tokens(backend, text=TEXT)
    assert b"".join(reply.tokens).decode() == TEXT
    back = await backend.stub.Detokenize(ar_pb2.DetokenizeRequest(ids=reply.ids))
    assert (back.text, list(back.tokens)) == (TEXT, list(reply.tokens))


async def test_a_chat_s_tokens_are_those_of_a_prompt(backend):
    reply = await backend.stub.Tokenize(ar_pb2.TokenizeRequest(chat=CHAT))
    assert list(reply.ids) == backend.worker.get("").codec.encode_chat([("user", TEXT)])
    assert len(reply.ids) == await prompt_tokens(backend, chat=CHAT)


async def test_the_tokenizer_is_described(backend):
    reply = await backend.stub.DescribeTokenizer(ar_pb2.DescribeTokenizerRequest())
    assert reply.model == "tiny"
    assert list(reply.eos_token_ids) == [1]
    assert not reply.HasField("bos_token_id")
    assert reply.special_tokens == {0: "<s>", 1: "<|end|>", 2: "<|user|>", 3: "<|assistant|>", 4: "<|system|>"}
    assert reply.chat_template == CHAT_TEMPLATE
    [model] = (await backend.stub.ListModels(ar_pb2.ListModelsRequest())).models
    assert list(model.special_token_ids) == sorted(reply.special_tokens)

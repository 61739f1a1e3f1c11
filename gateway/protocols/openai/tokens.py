"""vLLM's paths about tokens: evaluators that have them need no tokenizer of their own."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.catalogue import Catalogue
from gateway.protocols.openai.exchange import OpenAiExchange
from gateway.protocols.openai.replies.model import Detokenized, Tokenized, TokenizerInfo
from gateway.protocols.openai.requests.tokens import DetokenizeBody, TokenizeBody
from gateway.protocols.openai.text.token_table import readable
from tandem.ar.v1 import ar_pb2


class Tokens:
    """Operations of endpoint.py."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def tokenize(self, body: TokenizeBody, calls: Calls, exchange: OpenAiExchange) -> None:
        """Answer with the tokens of a text or a conversation. Raises TandemError."""
        model = self._catalogue.text(body.model)
        names = {"text": "prompt", "chat.messages": "messages", "chat": "messages", "content": "prompt"}
        reply = await calls.unary("Tokenize", body.message(model.name), names)
        await exchange.reply_with(
            Tokenized(
                count=len(reply.ids),
                max_model_len=model.described.max_context_tokens,
                tokens=list(reply.ids),
                token_strs=[readable(token) for token in reply.tokens] if body.return_token_strs else None,
            )
        )

    async def detokenize(self, body: DetokenizeBody, calls: Calls, exchange: OpenAiExchange) -> None:
        """Answer with the text of tokens. Raises TandemError."""
        model = self._catalogue.text(body.model)
        request = ar_pb2.DetokenizeRequest(model=model.name, ids=body.tokens)
        reply = await calls.unary("Detokenize", request, {"ids": "tokens"})
        await exchange.reply_with(Detokenized(prompt=reply.text))

    async def describe(self, parameters: Mapping[str, str], calls: Calls, exchange: OpenAiExchange) -> None:
        """Answer with how the tokenizer of the model in the query works. Raises TandemError."""
        model = self._catalogue.text(parameters.get("model"))
        reply = await calls.unary("DescribeTokenizer", ar_pb2.DescribeTokenizerRequest(model=model.name), {})
        special = dict(reply.special_tokens)
        named = {reply.bos_token_id if reply.HasField("bos_token_id") else None, *reply.eos_token_ids[:1]}
        await exchange.reply_with(
            TokenizerInfo(
                model=model.name,
                tokenizer_class="Tandem",
                model_max_length=model.described.max_context_tokens,
                bos_token=special.get(reply.bos_token_id) if reply.HasField("bos_token_id") else None,
                eos_token=special.get(reply.eos_token_ids[0]) if reply.eos_token_ids else None,
                eos_token_ids=list(reply.eos_token_ids),
                additional_special_tokens=[special[token_id] for token_id in sorted(special) if token_id not in named],
                chat_template=reply.chat_template or None,
            )
        )

"""POST /v1/chat/completions: its body, its replies, and how a conversation becomes them, whole or in chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gateway.protocols.catalogue import Served
from gateway.protocols.fields import Names
from gateway.protocols.openai.document import Path
from gateway.protocols.openai.exchange import Answer, Calls
from gateway.protocols.openai.messages import Body, Int32, Reply, limits
from gateway.protocols.openai.text.generation import FINISH_REASONS, Finish, Generation, TextReply, Usage, answer
from gateway.protocols.openai.text.sampling import NumLogprobs, SamplingBody
from gateway.protocols.openai.text.tools import Allowed, Call, Called, Mode, Tool, call_of, names_of_tools, offer
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument


class TextPart(Body):
    """A part of a content; texts are the only ones that there are here."""

    type: Literal["text"]
    text: str


def turn(role: str, content: str | list[Any], **others: Any) -> ar_pb2.ChatMessage:
    """Return a turn of the contract; a content of several parts is their texts, joined."""
    text = content if isinstance(content, str) else "".join(part.text for part in content)
    return ar_pb2.ChatMessage(role="system" if role == "developer" else role, content=text, **others)


class Message(Body):
    """One turn of a conversation."""

    role: str = Field(description="system (or developer), user, assistant, or tool for the result of a call.")
    content: str | list[TextPart] | None = Field(
        None, description="A text, or parts of it, which are joined; null for the assistant alone."
    )
    tool_calls: list[Called] | None = Field(None, description="Calls that the assistant has made.")
    tool_call_id: str | None = Field(None, description="With the role tool: the id of the call that this results from.")

    unsupported: ClassVar[Mapping[str, tuple[Any, ...]]] = {"audio": (), "function_call": ()}


def chat_prompt(messages: list[Message]) -> ar_pb2.ChatPrompt:
    """Return the conversation of the contract. Raises InvalidArgument for what a turn may not have."""
    chat = ar_pb2.ChatPrompt()
    for index, message in enumerate(messages):
        for name, value in (message.model_extra or {}).items():
            if name in Message.unsupported and value:
                raise InvalidArgument(f"messages[{index}].{name}", value, "nothing: this server does not support it")
        if message.content is None and message.role != "assistant":
            raise InvalidArgument(f"messages[{index}].content", None, "a text, or parts of one")
        chat.messages.append(turn(message.role, message.content or "", tool_call_id=message.tool_call_id))
        for call in message.tool_calls or ():
            chat.messages[-1].tool_calls.add(id=call.id, name=call.function.name, arguments=call.function.arguments)
    return chat


class AllowedTools(Body):
    """The choice among some of the functions."""

    type: Literal["allowed_tools"]
    allowed_tools: Allowed


class ChatBody(SamplingBody):
    """A conversation to be continued by the assistant."""

    messages: Annotated[list[Message], limits(minItems=1)] = Field(description="At least one turn, the oldest first.")
    max_completion_tokens: Annotated[Int32, limits(minimum=1)] | None = Field(
        None, description="1 to the context's rest; default the smaller of 256 and that."
    )
    max_tokens: Annotated[Int32, limits(minimum=1)] | None = Field(
        None, description="The older name of max_completion_tokens."
    )
    logprobs: bool | None = Field(None, description="True: the log-probability of each token.")
    top_logprobs: NumLogprobs | None = Field(None, description="Alternatives of each token, 0 to 20; needs logprobs.")
    tools: Annotated[list[Tool], limits(maxItems=128)] | None = Field(
        None, description="Functions that the assistant may call, up to 128."
    )
    tool_choice: Mode | Tool | AllowedTools | None = Field(None, description="Whether it calls them; default auto.")
    parallel_tool_calls: bool | None = Field(None, description="False: one call at the most.")

    unsupported: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **SamplingBody.unsupported,
        **dict.fromkeys(("audio", "chat_template", "chat_template_kwargs", "continue_final_message", "documents"), ()),
        **dict.fromkeys(("echo", "functions", "prediction", "store", "web_search_options"), ()),
        "add_generation_prompt": (True,),
        "function_call": ("none", "auto"),
        "modalities": (["text"],),
        "reasoning_effort": ("none",),
        "verbosity": ("medium",),
    }

    @property
    def most_tokens(self) -> tuple[str, int | None]:
        """The field with the most tokens to generate, and its value. Raises InvalidArgument for two values."""
        if self.max_completion_tokens is None:
            return "max_tokens", self.max_tokens
        if self.max_tokens not in (None, self.max_completion_tokens):
            raise InvalidArgument("max_tokens", self.max_tokens, "max_completion_tokens alone, or the same as there")
        return "max_completion_tokens", self.max_completion_tokens

    def prompt(self) -> ar_pb2.ChatPrompt:
        """Return the conversation of the contract. Raises InvalidArgument."""
        chat = chat_prompt(self.messages)
        choice = self.tool_choice
        if isinstance(choice, AllowedTools):
            chat.callable_tools.extend(tool.function.name for tool in choice.allowed_tools.tools)
            choice = choice.allowed_tools.mode
        called = choice.function if isinstance(choice, Tool) else choice
        offer(chat, [tool.function for tool in self.tools or ()], called, self.parallel_tool_calls is not False)
        return chat


class TopLogprob(Reply):
    """A token that could have stood at a place."""

    token: str
    logprob: float
    bytes: list[int] = Field(description="The token's own; they may be a part of a character.")


class TokenLogprob(TopLogprob):
    """A token of the answer."""

    top_logprobs: list[TopLogprob] = Field(description="The most probable ones, the best first; as many as asked for.")


class ChatLogprobs(Reply):
    """Of the tokens of an answer."""

    content: list[TokenLogprob]
    refusal: None


class ResponseMessage(Reply):
    """The assistant's turn."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    annotations: list[Any] = Field(description="Always empty.")
    tool_calls: list[Call] | None = Field(None, description="Present if there are any.")


class ChatChoice(Reply):
    """One answer."""

    index: int
    message: ResponseMessage
    logprobs: ChatLogprobs | None
    finish_reason: Finish
    stop_reason: str | None = Field(description="vLLM's: the stop string that was met, if it was one.")


class ChatCompletion(TextReply):
    """The whole reply."""

    object: Literal["chat.completion"]
    choices: list[ChatChoice]
    usage: Usage


class Delta(Reply):
    """What a chunk adds to an answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    tool_calls: list[Call] | None = None


class ChunkChoice(Reply):
    """What a chunk adds to one choice."""

    index: int
    delta: Delta
    logprobs: ChatLogprobs | None
    finish_reason: Finish | None
    stop_reason: str | None = None


class ChatChunk(TextReply):
    """A part of a streamed reply."""

    object: Literal["chat.completion.chunk"]
    choices: list[ChunkChoice] = Field(description="Empty in the chunk that has the usage, and in no other.")
    usage: Usage | None = None


async def chat(body: ChatBody, calls: Calls) -> Answer:
    """Answer in one piece or in chunks. Raises TandemError."""
    conversation = Conversation(body, calls.catalogue.text(body.model), calls)
    whole, chunk = partial(ChatCompletion, object="chat.completion"), partial(ChatChunk, object="chat.completion.chunk")
    return await answer([conversation], "chatcmpl", whole, chunk)


PATH = Path("/v1/chat/completions", "Answer in a conversation", chat, "Generate", ChatBody, ChatCompletion, [ChatChunk])


class Conversation(Generation[ChatBody]):
    """The only prompt of its body."""

    def __init__(self, body: ChatBody, model: Served, calls: Calls) -> None:
        super().__init__(body, model, calls)
        self._num_calls = Counter[int]()  # begun, of each choice

    @property
    def names(self) -> Names:
        field, _ = self.body.most_tokens
        about_tools = names_of_tools(len(self.body.tools or ()), ".function")
        about_prompt = {**about_tools, "chat.messages": "messages", "chat": "messages"}
        return {"sampling.max_tokens": field, **self.body.names_of_sampling, **about_prompt}

    def request(self) -> ar_pb2.GenerateRequest:
        return ar_pb2.GenerateRequest(
            model=self.model.name,
            chat=self.body.prompt(),
            sampling=self.body.sampling(self.body.most_tokens[1]),
            logprobs=self.body.has_logprobs,
            top_logprobs=self.body.top_logprobs or 0,
        )

    async def count_prompt(self) -> int:
        prompt = ar_pb2.TokenizeRequest(model=self.model.name, chat=self.body.prompt())
        return len((await self.calls.unary("Tokenize", prompt, self.names, is_aid=True)).ids)

    def choice(self, message: Any) -> ChatChoice:
        calls = {"tool_calls": list(map(call_of, message.tool_calls))} if message.tool_calls else {}
        content = message.text_delta or (None if calls else "")
        return ChatChoice(
            index=message.choice_index,
            message=ResponseMessage(role="assistant", content=content, refusal=None, annotations=[], **calls),
            logprobs=self._logprobs(message),
            finish_reason=FINISH_REASONS[message.finish_reason],
            stop_reason=message.matched_stop or None,
        )

    async def parts(self, message: Any) -> Sequence[ChunkChoice]:
        """Return what a message comes to: who speaks, before the first; what is said; why it ended."""
        part = partial(ChunkChoice, index=message.choice_index, logprobs=None, finish_reason=None)
        parts, has_tools = [], bool(self.body.tools)
        if message.choice_index not in self.begun:
            self.begun.add(message.choice_index)
            parts.append(part(delta=Delta(role="assistant", content=None if has_tools else "")))
        added: dict[str, Any] = {"tool_calls": list(self._calls(message))} if message.tool_calls else {}
        if message.text_delta or not has_tools:
            added["content"] = message.text_delta
        if (message.text_delta or message.token_ids) and (added or self.body.has_logprobs):
            parts.append(part(delta=Delta(**added), logprobs=self._logprobs(message)))
        if reason := FINISH_REASONS.get(message.finish_reason):
            parts.append(part(delta=Delta(), finish_reason=reason, stop_reason=message.matched_stop or None))
        return parts

    def _calls(self, message: Any) -> Iterator[Call]:
        for each in message.tool_calls:
            self._num_calls[message.choice_index] += bool(each.id)
            yield call_of(each, index=self._num_calls[message.choice_index] - 1)

    def _logprobs(self, message: Any) -> ChatLogprobs | None:
        if not self.body.has_logprobs:
            return None
        entries = [
            TokenLogprob(**_token(entry), top_logprobs=[TopLogprob(**_token(other)) for other in entry.alternatives])
            for entry in message.logprobs
        ]
        return ChatLogprobs(content=entries, refusal=None)


def _token(entry: Any) -> dict[str, Any]:
    return {"token": entry.token.decode(errors="replace"), "logprob": entry.logprob, "bytes": list(entry.token)}

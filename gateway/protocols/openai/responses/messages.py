"""The body of POST /v1/responses, and its reply, whose optional fields are all there, as its clients like it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gateway.protocols.fields import Names
from gateway.protocols.openai.messages import Body, Int32, Reply, Seed, WholeReply, limits
from gateway.protocols.openai.text.chat import turn
from gateway.protocols.openai.text.sampling import Temperature, TopP, schema_text
from gateway.protocols.openai.text.tools import Function, Mode, OfFunction, names_of_tools, offer
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

Status = Literal["in_progress", "completed", "incomplete"]


class InputText(Body):
    """A part of a turn."""

    type: Literal["input_text", "output_text", "text"]
    text: str


class InputMessage(Body):
    """One turn of a conversation, as OpenAI's clients send it, or as an earlier reply had it."""

    type: Literal["message"] | None = None
    role: str = Field(description="system (or developer), user or assistant.")
    content: str | list[InputText]


class FunctionCallInput(Body):
    """A call that the assistant has made, as an earlier reply had it."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str


class FunctionCallOutput(Body):
    """What came of a call."""

    type: Literal["function_call_output"]
    call_id: str
    output: str | list[InputText]


class FunctionTool(Function, OfFunction):
    """A function as this API has it."""


class AllowedTools(Body):
    """Some of the functions, and whether one of them has to be called."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[FunctionTool] = Field(min_length=1)


Item = InputMessage | FunctionCallInput | FunctionCallOutput


class TextFormat(Body):
    """What the answer has to match."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = Field(None, description="Comes back as it is, as do description and strict.")
    schema_: dict[str, Any] | None = Field(None, alias="schema", description="With json_schema; draft 2020-12.")
    description: str | None = None
    strict: bool | None = Field(None, description="A schema always holds.")


class TextSettings(Body):
    """How the answer is written."""

    format: TextFormat = Field(default_factory=lambda: TextFormat.model_validate({}))
    verbosity: Literal["medium"] | None = None


_NAMES: Names = {
    "sampling.max_tokens": "max_output_tokens",
    "sampling.json_schema": "text.format.schema",
    "sampling": "",
    "chat.messages": "input",
    "chat": "input",
}


class ResponseBody(Body):
    """What to answer to. Nothing is stored: a conversation is sent whole each time."""

    model: str | None = Field(None, description="Name of a text model; absent: the first there is.")
    input: str | list[Item] = Field(
        description="What the user says, or a conversation with calls and what came of them."
    )
    instructions: str | None = Field(None, description="What the system says before it.")
    max_output_tokens: Annotated[Int32, limits(minimum=1)] | None = Field(
        None, description="1 to the context's rest; default the smaller of 256 and that."
    )
    temperature: Temperature | None = Field(
        None, description="0 (greedy) to 10; default: what the model recommends, or 1."
    )
    top_p: TopP | None = Field(None, description="Above 0 to 1; default 1.")
    seed: Seed | None = Field(None, description="Tandem's: as in completions.")
    stream: bool | None = Field(None, description="True: server-sent events.")
    metadata: dict[str, str] | None = Field(None, description="Comes back as it is.")
    text: TextSettings = Field(default_factory=TextSettings)
    tools: Annotated[list[FunctionTool], limits(maxItems=128)] | None = Field(
        None, description="Functions that the assistant may call, up to 128."
    )
    tool_choice: Mode | FunctionTool | AllowedTools | None = Field(
        None, description="Whether it calls them; default auto."
    )
    parallel_tool_calls: bool | None = Field(None, description="False: one call at the most.")

    unsupported: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **dict.fromkeys(("background", "conversation", "max_tool_calls", "previous_response_id"), ()),
        **dict.fromkeys(("prompt", "store"), ()),
        "include": (["reasoning.encrypted_content"],),  # of what is never there
        "reasoning": ({"effort": None}, {"effort": "none"}),
        "top_logprobs": (0,),
        "truncation": ("disabled",),
    }

    def _turns(self) -> tuple[list[ar_pb2.ChatMessage], dict[str, str]]:
        """Return the turns, and where in the body the fields of each came in. Raises InvalidArgument for no input."""
        if not self.input and not isinstance(self.input, str):
            raise InvalidArgument("input", [], "a text, or at least one message")
        turns = [] if self.instructions is None else [turn("system", self.instructions)]
        if isinstance(self.input, str):
            return [*turns, turn("user", self.input)], {}
        names: dict[str, str] = {}
        for place, item in enumerate(self.input):
            if not isinstance(item, FunctionCallInput):
                names[f"chat.messages[{len(turns)}]"] = f"input[{place}]"
            if isinstance(item, InputMessage):
                turns.append(turn(item.role, item.content))
            elif isinstance(item, FunctionCallOutput):
                names[f"chat.messages[{len(turns)}].tool_call_id"] = f"input[{place}].call_id"
                turns.append(turn("tool", item.output, tool_call_id=item.call_id))
            else:
                if not turns or turns[-1].role != "assistant":
                    turns.append(turn("assistant", ""))
                calls = turns[-1].tool_calls
                names[f"chat.messages[{len(turns) - 1}].tool_calls[{len(calls)}]"] = f"input[{place}]"
                calls.add(id=item.call_id, name=item.name, arguments=item.arguments)
        return turns, dict(sorted(names.items(), reverse=True))  # a field before what it lies in

    def names(self) -> Names:
        """Return how the body calls the fields of the request."""
        return {**self._turns()[1], **names_of_tools(len(self.tools or ()), ""), **_NAMES}

    def request(self, model: str) -> ar_pb2.GenerateRequest:
        """Return the request of the contract. Raises InvalidArgument."""
        chat = ar_pb2.ChatPrompt(messages=self._turns()[0])
        choice = self.tool_choice
        if isinstance(choice, AllowedTools):
            chat.callable_tools.extend(tool.name for tool in choice.tools)
            choice = choice.mode
        offer(chat, self.tools or (), choice, self.parallel_tool_calls is not False)
        sampling = ar_pb2.SamplingParams(
            seed=self.seed, max_tokens=self.max_output_tokens, temperature=self.temperature, top_p=self.top_p
        )
        wanted = self.text.format
        if wanted.type == "json_object":
            sampling.json_object = True
        elif wanted.type == "json_schema":
            if wanted.schema_ is None:
                raise InvalidArgument("text.format.schema", None, "a JSON Schema")
            sampling.json_schema = schema_text(wanted.schema_)
        return ar_pb2.GenerateRequest(model=model, chat=chat, sampling=sampling)


class OutputText(WholeReply):
    """What was said."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[Any] = []
    logprobs: list[Any] = []


class OutputMessage(WholeReply):
    """The assistant's turn."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    status: Status
    content: list[OutputText]


class FunctionCall(WholeReply):
    """A call of a function."""

    id: str
    type: Literal["function_call"] = "function_call"
    status: Status
    call_id: str
    name: str
    arguments: str = Field(description="A JSON object.")


class IncompleteDetails(WholeReply):
    """Why an answer ends in the middle."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class InputTokensDetails(WholeReply):
    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokensDetails(WholeReply):
    reasoning_tokens: int = 0


class ResponseUsage(WholeReply):
    """In tokens."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    total_tokens: int


class Response(WholeReply):
    """The whole reply, and what some events of a stream carry."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None
    status: Status
    background: Literal[False] = False
    error: None = None
    frequency_penalty: float = 0.0
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: None = None
    metadata: dict[str, str]
    model: str
    output: list[OutputMessage | FunctionCall]
    parallel_tool_calls: bool
    presence_penalty: float = 0.0
    previous_response_id: None = None
    prompt_cache_key: None = None
    reasoning: None = None
    safety_identifier: None = None
    service_tier: Literal["default"] = "default"
    store: Literal[False] = False
    temperature: float
    text: dict[str, Any] = Field(description="As it was asked for.")
    tool_choice: Any = Field(description="As it was asked for, or auto.")
    tools: list[FunctionTool]
    top_logprobs: int = 0
    top_p: float
    truncation: Literal["disabled"] = "disabled"
    usage: ResponseUsage | None
    user: None = None
    system_fingerprint: str | None


class Event(Reply):
    """An event of a stream; its type determines which other fields it has, as OpenAI documents them."""

    type: str
    sequence_number: int
    response: Response | None = None
    output_index: int | None = None
    content_index: int | None = None
    item_id: str | None = None
    item: OutputMessage | FunctionCall | None = None
    part: OutputText | None = None
    delta: str | None = None
    text: str | None = None
    arguments: str | None = None
    logprobs: list[Any] | None = None

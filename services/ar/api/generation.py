"""A Generate call in progress: the engine's outputs in, response messages out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING

from runtime.rpc.call import Call
from services.ar.api.calls import CallReader
from services.ar.api.reply_size import max_message_tokens
from services.ar.api.sequential_model import Codec, SequentialModel
from services.ar.api.stop_strings import StopStrings
from services.ar.codecs.text_codec import TextCodec
from services.ar.engine.request_stream import RequestStream
from services.ar.engine.sequence import FinishReason, SampledToken, SamplingParams, Sequence
from services.ar.engine.step import Progress
from tandem.ar.v1 import ar_pb2
from tandem.common.v1.timings_pb2 import Timings

if TYPE_CHECKING:
    from services.ar.api.image import GrowingImages


class Choice:
    """Takes a sequence's tokens as they come; `finish_reason` is set once it has ended, by itself or by a stop."""

    def __init__(self, sequence: Sequence, codec: Codec) -> None:
        self._sequence = sequence
        self._decoder = codec.decoder(sequence.text_prompt_token_ids)
        self._stops = StopStrings(sequence.params.stop)
        self.num_output_tokens = 0
        self._num_text_tokens = 0
        self.finish_reason: FinishReason | None = None

    @property
    def matched_stop(self) -> str:
        return self._stops.matched or ""

    def feed(self, tokens: list[SampledToken], reason: FinishReason | None) -> tuple[list[SampledToken], str]:
        """Return the tokens that count, fewer if a stop string ends the choice, and the text they bring."""
        text = ""
        for count, token in enumerate(tokens, 1):
            self.num_output_tokens = self._num_text_tokens = self.num_output_tokens + 1
            is_last = reason is FinishReason.STOP and count == len(tokens)
            # Where a constraint ends a choice, its last token is text.
            text += self._text_of(token.token_id, is_last and token.token_id in self._sequence.ending_token_ids)
            if self._stops.matched is not None:
                self.finish_reason = FinishReason.STOP
                return tokens[:count], text
        if reason is not None:
            self.finish_reason = reason
            text += self._stops.flush()
        return tokens, text

    def _text_of(self, token_id: int, ends_output: bool) -> str:
        if ends_output:
            return ""  # the end token and stop tokens are reported, but are no text
        text = self._decoder.feed(token_id)
        if self._num_text_tokens <= self._sequence.params.min_tokens:
            return self._stops.flush() + text
        return self._stops.feed(text)

    def places(self, count: int) -> SequenceOf[int]:
        """Return where in the output its last `count` tokens stand; none where each stands behind the one before."""
        return ()


class PlacedChoice(Choice):
    """A choice whose tokens have places of their own in the output; its text comes as far as it is known."""

    def __init__(self, sequence: Sequence, codec: Codec) -> None:
        super().__init__(sequence, codec)
        given = sequence.prompt_token_ids[len(sequence.text_prompt_token_ids) :]
        self._new_places = sequence.groups.new_places if sequence.groups is not None else ()
        self._by_place = dict(zip(sequence.groups.places if sequence.groups is not None else (), given, strict=False))

    def feed(self, tokens: list[SampledToken], reason: FinishReason | None) -> tuple[list[SampledToken], str]:
        for token in tokens:
            self._by_place[self._new_places[self.num_output_tokens]] = token.token_id
            self.num_output_tokens += 1
        text, params = "", self._sequence.params
        while self.finish_reason is None and self._num_text_tokens in self._by_place:
            token_id = self._by_place[self._num_text_tokens]
            is_end = token_id in self._sequence.ending_token_ids and self._num_text_tokens >= params.min_tokens
            self._num_text_tokens += 1
            text += self._text_of(token_id, is_end)
            if is_end or self._stops.matched is not None:
                self.finish_reason = FinishReason.STOP
        self.finish_reason = self.finish_reason or reason
        return tokens, text + self._stops.flush() if self.finish_reason is not None else text

    def places(self, count: int) -> SequenceOf[int]:
        return self._new_places[self.num_output_tokens - count : self.num_output_tokens]


_FINISH_REASONS = {
    None: ar_pb2.FINISH_REASON_UNSPECIFIED,
    FinishReason.STOP: ar_pb2.FINISH_REASON_STOP,
    FinishReason.LENGTH: ar_pb2.FINISH_REASON_LENGTH,
}

_TURN_TOKENS = 64
"""After this many tokens, other tasks of the event loop get a turn. A token with `top_logprobs` takes about 50 us."""


class Generation:
    """Turns the tokens that are ready into messages; `timings` is set with the last one.

    What is ready of a choice goes into one message, or, when a slow reader has let much gather, into several, between
    which others are served. An image's tokens stay together as far as a message holds them, as the image is drawn.

    `growing_images` is there for an image model: it adds what its tokens look like. `readers`, one a choice, are there
    where functions may be called.
    """

    def __init__(
        self,
        model: SequentialModel,
        stream: RequestStream,
        params: SamplingParams,
        growing_images: GrowingImages | None,
        call: Call,
        reports_drafts: bool = False,
        readers: SequenceOf[CallReader] = (),
    ) -> None:
        self._readers = readers
        self._reports_drafts = reports_drafts
        self._model = model
        self._stream = stream
        self._params = params
        self._growing_images = growing_images
        self._call = call
        if growing_images is None:
            most = 1 if reports_drafts else _TURN_TOKENS  # what did not hold belongs to one step
            self._max_tokens = min(max_message_tokens(model.token_sizes, params), most)
        else:
            most = max_message_tokens(model.token_sizes, params, growing_images.max_bytes)
            self._max_tokens = 1 if growing_images.num_partial else most  # what shows an image ends with that step
        self._choices = [
            (PlacedChoice if sequence.has_places else Choice)(sequence, model.codec) for sequence in stream.sequences
        ]
        self.timings: Timings | None = None

    async def messages(self) -> AsyncIterator[ar_pb2.GenerateResponse]:
        while not self._stream.is_finished:
            outputs = sorted(await self._stream.get(), key=lambda output: output.sequence.choice_index)
            gathered: list[ar_pb2.GenerateResponse] = []  # whose images are drawn together
            num_tokens = 0
            for part in _parts(outputs, self._max_tokens):
                if self._choices[part[0].sequence.choice_index].finish_reason is not None:
                    continue
                if num_tokens >= _TURN_TOKENS:
                    await asyncio.sleep(0)
                    num_tokens = 0
                message = self._message(part)
                num_tokens += len(message.token_ids)
                if self._growing_images is None:
                    self._complete_last(message)
                    yield message
                else:
                    gathered.append(message)
            if self._growing_images is not None and gathered:
                await self._growing_images.add_to(gathered, self._call)
                self._complete_last(gathered[-1])
                for message in gathered:
                    yield message

    def _message(self, outputs: list[Progress]) -> ar_pb2.GenerateResponse:
        index = outputs[0].sequence.choice_index
        choice = self._choices[index]
        tokens = [token for output in outputs for token in output.tokens]
        tokens, text = choice.feed(tokens, outputs[-1].finish_reason)
        if choice.finish_reason is not None:
            self._model.engine.end(self._stream.sequences[index], "finished")
        reason, calls = _FINISH_REASONS[choice.finish_reason], list[ar_pb2.ToolCall]()
        if self._readers:
            text, calls = self._readers[index].feed(text, choice.finish_reason is not None)
            if choice.finish_reason is FinishReason.STOP and self._readers[index].num_whole_calls:
                reason = ar_pb2.FINISH_REASON_TOOL_CALLS
        return ar_pb2.GenerateResponse(
            choice_index=index,
            token_ids=[token.token_id for token in tokens],
            text_delta=text,
            logprobs=[logprob_message(token, self._model.codec) for token in tokens] if self._params.logprobs else (),
            finish_reason=reason,
            matched_stop=choice.matched_stop,
            rejected_text=self._rejected_text(outputs[-1]),
            places=choice.places(len(tokens)),
            tool_calls=calls,
        )

    def _rejected_text(self, output: Progress) -> str:
        codec = self._model.codec
        if not self._reports_drafts or not isinstance(codec, TextCodec):
            return ""
        return codec.decode(output.rejected)

    def _complete_last(self, message: ar_pb2.GenerateResponse) -> None:
        """Add usage and timings to a message if it is the last: it ends a choice, and all others have ended."""
        if not message.finish_reason or not all(choice.finish_reason for choice in self._choices):
            return
        message.usage.prompt_tokens = self._stream.sequences[0].num_prompt_tokens
        message.usage.cached_tokens = self._stream.sequences[0].num_cached_tokens or 0
        message.usage.output_tokens = sum(choice.num_output_tokens for choice in self._choices)
        message.usage.seed = self._params.seed
        message.usage.steps = self._params.steps
        message.usage.drafted_tokens = sum(sequence.num_drafted_tokens for sequence in self._stream.sequences)
        message.usage.accepted_tokens = sum(sequence.num_accepted_tokens for sequence in self._stream.sequences)
        message.usage.fingerprint = self._model.fingerprint
        self.timings = request_timings([self._stream], self._call)
        message.timings.CopyFrom(self.timings)


def _parts(outputs: Iterable[Progress], max_tokens: int) -> Iterator[list[Progress]]:
    """Yield outputs in runs of one choice and at most `max_tokens` tokens, or of one output that alone has more."""
    part: list[Progress] = []
    num_tokens = 0
    for output in outputs:
        if part and (output.sequence is not part[0].sequence or num_tokens + len(output.tokens) > max_tokens):
            yield part
            part, num_tokens = [], 0
        part.append(output)
        num_tokens += len(output.tokens)
    if part:
        yield part


def logprob_message(token: SampledToken, codec: Codec) -> ar_pb2.TokenLogprob:
    """Return a token with its log-probability and alternatives, which must have been asked for."""
    return ar_pb2.TokenLogprob(
        token_id=token.token_id,
        logprob=token.logprob or 0.0,
        token=codec.token_bytes(token.token_id),
        alternatives=[
            ar_pb2.Alternative(token_id=a.token_id, logprob=a.logprob, token=codec.token_bytes(a.token_id))
            for a in token.alternatives
        ],
    )


def request_timings(streams: list[RequestStream], call: Call) -> Timings:
    """Return the timings of a request whose last token is known; all instants are monotonic seconds.

    `streams` are its parts, one after another. Waiting for the handler to begin is queueing, as waiting for a place in
    a step is. Prompts and images are encoded between the two, text and partial images decoded while the engine goes
    on. So encode is what lies outside of the engine: before the request was queued, and after its last token, as the
    decoding of a finished image does.
    """
    now = time.monotonic()
    sequences = [sequence for stream in streams for sequence in stream.sequences]
    accepted_at = streams[0].accepted_at
    scheduled_at = min(s.scheduled_at for s in sequences if s.scheduled_at is not None)
    first_token_at = streams[0].first_token_at or now
    last_token_at = streams[-1].last_token_at or now
    num_steps = sum(sequence.num_steps for sequence in sequences)
    return Timings(
        queue_seconds=(call.started_at - call.received_at) + (scheduled_at - accepted_at),
        prefill_seconds=first_token_at - scheduled_at,
        decode_seconds=last_token_at - first_token_at,
        encode_seconds=(accepted_at - call.started_at) + (now - last_token_at),
        total_seconds=now - call.received_at,
        mean_batch_size=sum(sequence.sum_batch_sizes for sequence in sequences) / max(1, num_steps),
    )

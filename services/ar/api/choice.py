"""One choice of a request: from sampled tokens to text, with stop strings. Knows no protobuf and no engine."""

from services.ar.codecs.codec import Codec
from services.ar.engine.sequence import FinishReason, SampledToken, Sequence


class StopStrings:
    """Passes text on, held back as long as it may be the beginning of a stop string."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.matched: str | None = None
        """The stop string that was met; nothing may be fed after that."""

    def feed(self, text: str) -> str:
        """Return the text that is certain to stand before any stop string."""
        if not self._stops:
            return text
        self._held += text
        matches = [(self._held.find(stop), stop) for stop in self._stops if stop in self._held]
        if matches:
            place, self.matched = min(matches, key=lambda match: match[0])
            return self._take(place, drop_rest=True)
        return self._take(len(self._held) - self._num_held_back())

    def flush(self) -> str:
        """Return what was held back; the text has ended."""
        return self._take(len(self._held))

    def _take(self, length: int, drop_rest: bool = False) -> str:
        taken, self._held = self._held[:length], "" if drop_rest else self._held[length:]
        return taken

    def _num_held_back(self) -> int:
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stops):
                return length
        return 0


class Choice:
    """Takes a sequence's tokens as they come; `finish_reason` is set once it has ended, by itself or by a stop."""

    def __init__(self, sequence: Sequence, codec: Codec) -> None:
        self._sequence = sequence
        self._decoder = codec.decoder(sequence.prompt_token_ids)
        self._stops = StopStrings(sequence.params.stop)
        self.num_output_tokens = 0
        self.finish_reason: FinishReason | None = None

    @property
    def matched_stop(self) -> str:
        return self._stops.matched or ""

    def feed(self, tokens: list[SampledToken], reason: FinishReason | None) -> tuple[list[SampledToken], str]:
        """Return the tokens that count, fewer if a stop string ends the choice, and the text they bring."""
        text = ""
        for count, token in enumerate(tokens, 1):
            self.num_output_tokens += 1
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
        if self.num_output_tokens <= self._sequence.params.min_tokens:
            return self._stops.flush() + text
        return self._stops.feed(text)

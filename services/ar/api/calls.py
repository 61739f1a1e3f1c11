"""Reads calls of functions out of an output's text as it comes; constraints/calls.py has ruled all other forms out."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from services.ar.api.stop_strings import num_held_back
from services.ar.codecs.chat.tools import CallForm
from tandem.ar.v1 import ar_pb2


class CallReader:
    """Takes the text of one choice, which may call the functions of these names in this form."""

    def __init__(self, form: CallForm, names: Iterable[str], is_required: bool) -> None:
        self._form = form
        self._names = {form.opening + name + form.between: name for name in names}
        """By what stands between the trigger and the arguments."""
        self._is_required = is_required
        self._read = self._read_text
        self._rest = ""
        self._has_said = self._in_string = self._is_escaped = False
        self._depth = self._num_calls = 0
        self.num_whole_calls = 0

    def feed(self, text: str, is_last: bool) -> tuple[str, list[ar_pb2.ToolCall]]:
        """Return what is said, and the calls and parts of calls, that a text brings; nothing follows the last one."""
        self._rest += text
        said, calls = "", list[ar_pb2.ToolCall]()
        before = None
        while self._rest and before != (self._rest, self._read):
            before = self._rest, self._read
            said += self._read(calls)
        if is_last and self._read == self._read_text and not self._num_calls:
            said += self._rest
        return "" if self._is_required else said, calls

    def _read_text(self, calls: list[ar_pb2.ToolCall]) -> str:
        """Return what stands before the next trigger."""
        trigger, is_tagged = self._form.trigger, self._form.is_tagged
        may_call = is_tagged or not self._has_said
        place = self._rest.find(trigger) if may_call else -1
        if place == 0 or (place > 0 and is_tagged):
            said, self._rest = self._rest[:place], self._rest[place + len(trigger) :]
            self._read = self._read_name
        else:
            end = len(self._rest) - (num_held_back(self._rest, (trigger,)) if may_call else 0)
            said, self._rest = self._rest[:end], self._rest[end:]
        self._has_said = self._has_said or bool(said)
        return "" if self._num_calls else said  # behind a call, there is only what ends it

    def _read_name(self, calls: list[ar_pb2.ToolCall]) -> str:
        """Begin a call; return the trigger if it was none of a call, which an answer in JSON can have."""
        for head, name in self._names.items():
            if self._rest.startswith(head):
                self._rest = self._rest[len(head) :]
                calls.append(ar_pb2.ToolCall(id=f"call_{secrets.token_hex(12)}", name=name))
                self._num_calls += 1
                self._read = self._read_arguments
                return ""
        if any(head.startswith(self._rest) for head in self._names):
            return ""
        self._has_said = True
        self._read = self._read_text
        return self._form.trigger

    def _read_arguments(self, calls: list[ar_pb2.ToolCall]) -> str:
        end = self._end_of_arguments()
        if not calls:
            calls.append(ar_pb2.ToolCall())  # goes on with the one before
        calls[-1].arguments += self._rest[:end]
        self._rest = self._rest[end:]
        if self._depth == 0:
            self.num_whole_calls += 1
            self._read = self._read_text
        return ""

    def _end_of_arguments(self) -> int:
        """Return where in the rest the object ends, its length if it goes on."""
        for place, character in enumerate(self._rest, 1):
            if self._is_escaped or (self._in_string and character != '"'):
                self._is_escaped = character == "\\" and not self._is_escaped
            elif character == '"':
                self._in_string = not self._in_string
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth == 0:
                    return place
        return len(self._rest)

"""Jinja's sandbox with an end: time, length of the output, and work of each operation are limited.

A template comes with the weights and contents come from callers, so neither is trusted. Jinja's own sandbox
keeps templates from Python's internals, but not from loops without end or texts without bound.
"""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from math import prod
from types import FrameType
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context, str_join
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_RENDER_SECONDS = 1.0
MAX_OUTPUT_CHARACTERS = 4 * 1024 * 1024
_MAX_WORK = 64 * 1024 * 1024
"""Of one operation: the product of what it is given, texts and lists by their length and whole numbers by value."""
_TEMPLATE_FILE = "<template>"  # what Jinja calls the code of a template that is no file
_WIDE_FIELD = re.compile(r"[%{][^\s%{}]*(?:[0-9]{5,}|\*)|\{[^{}]*:[^{}]*\{")


class TooMuch(jinja2.TemplateError):
    """A template took more than it may."""


class _Generator(CodeGenerator):
    """Has texts joined by the environment, which looks at their length."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for each in node.nodes:
            self.visit(each, frame)
            self.write(", ")
        self.write("))")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Templates made by it raise TooMuch, a TemplateError, where an operation would take too much."""

    code_generator_class = _Generator
    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        # Without `optimized` constants are not computed beforehand: {{ 9 ** 9 ** 9 }} would hang the start.
        super().__init__(trim_blocks=True, lstrip_blocks=True, optimized=False, extensions=["jinja2.ext.loopcontrols"])
        self.filters = {name: _bounded(function) for name, function in self.filters.items()}
        self.filters["format"] = _with_narrow_fields(self.filters["format"])

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        check_work(getattr(obj, "__self__", None), *args, *kwargs.values())
        return super().call(context, obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Called by Jinja for each attribute that a template takes: None unless it is the formatting of a text."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None:
            _check_widths(value.__self__)
        return wrapped

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+":
            check_work(_size(left) + _size(right))
        elif operator == "**":
            check_work(1 << min(64, _size(right) * max(1, _size(left).bit_length())))
        else:
            check_work(left, right)
            if operator == "%":
                _check_widths(left)
        return super().call_binop(context, operator, left, right)

    def joined(self, parts: tuple[Any, ...]) -> str:
        check_work(sum(map(_size, parts)))
        return str_join(parts)


def render(template: jinja2.Template, values: dict[str, Any], max_seconds: float = MAX_RENDER_SECONDS) -> str:
    """Return what a template of a BoundedEnvironment makes of `values`. Raises jinja2.TemplateError."""
    pieces: list[str] = []
    num_characters = 0
    with _time_limit(max_seconds):
        for piece in template.generate(values):
            num_characters += len(piece)
            if num_characters > MAX_OUTPUT_CHARACTERS:
                raise TooMuch(f"a text of more than {MAX_OUTPUT_CHARACTERS:,} characters")
            pieces.append(piece)
    return "".join(pieces)


def check_work(*values: Any) -> None:
    """Raises TooMuch unless an operation on these values ends soon and makes nothing very large."""
    if prod(max(1, _size(value)) for value in values) > _MAX_WORK:
        raise TooMuch("an operation on values that are too large together")


def _check_widths(format_: object) -> None:
    """Raises TooMuch for a format that asks for very wide fields, or for fields as wide as a value says."""
    if isinstance(format_, str) and _WIDE_FIELD.search(format_):
        raise TooMuch("a format with a field that is too wide")


def _with_narrow_fields(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def narrow(format_: object, *args: Any, **kwargs: Any) -> Any:
        _check_widths(format_)
        return function(format_, *args, **kwargs)

    return narrow


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        check_work(*args, *kwargs.values())
        return function(*args, **kwargs)

    return bounded


def _size(value: Any) -> int:
    if isinstance(value, int):
        return abs(value)
    return len(value) if isinstance(value, str | bytes | list | tuple | dict) else 1


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Look at the clock at each line of a template's code, because nothing else can end a loop of it.

    It is the thread's processor time: to wait for a core on a busy machine is no fault of the template.
    """
    latest = time.thread_time() + seconds

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename != _TEMPLATE_FILE:
            return None
        if time.thread_time() > latest:
            raise TooMuch(f"more than {seconds:g} s of processor time")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)

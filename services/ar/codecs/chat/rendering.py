"""Chat templates are rendered in a process of their own (`python -m`, see runtime.process.limited_work).

A template comes with the weights and contents come from callers, so neither is trusted. Jinja's sandbox keeps templates
from Python's internals, but not from loops without end, texts without bound, or lists of which each holds the last one
twice; and Jinja computes what is constant when it compiles.
"""

import json
from collections.abc import Callable
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runtime.process.limited_work import serve

MAX_OUTPUT_CHARACTERS = 4 * 1024 * 1024


def open_template(source: str) -> jinja2.Template:
    """Return a template. Raises what is wrong with it, filters and tests that there are not among it."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = _raise_exception
    environment.filters["tojson"] = _to_json
    tree = environment.parse(source)
    # Jinja itself finds those in a branch only when it gets there.
    unknown = {f"filter {node.name!r}" for node in tree.find_all(nodes.Filter) if node.name not in environment.filters}
    unknown |= {f"test {node.name!r}" for node in tree.find_all(nodes.Test) if node.name not in environment.tests}
    if unknown:
        raise jinja2.TemplateError(f"there is no {', no '.join(sorted(unknown))}")
    return environment.from_string(source)


def prepare(source: str) -> Callable[[dict[str, Any] | None], dict[str, str]]:
    """Return what renders a template: its "text", or the "reason" why there is none. Without values, no more is done
    than to compile it.
    """
    try:
        template = open_template(source)
    except Exception as error:  # Jinja's own, and those of Python's compiler for what Jinja makes of it
        refusal = {"reason": f"{type(error).__name__}: {error}"}
        return lambda _: refusal

    def render(values: dict[str, Any] | None) -> dict[str, str]:
        if values is None:
            return {"text": ""}
        try:
            text = template.render(values)
        except jinja2.TemplateError as error:
            return {"reason": str(error)}
        except Exception as error:  # what a faulty template meets: endless recursion, a wrong type, no memory
            return {"reason": f"{type(error).__name__}: {error}"}
        is_short = len(text) <= MAX_OUTPUT_CHARACTERS
        return {"text": text} if is_short else {"reason": f"a text of more than {MAX_OUTPUT_CHARACTERS:,} characters"}

    return render


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    """Return JSON as Hugging Face's templates expect it; Jinja's own filter writes it for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


if __name__ == "__main__":
    serve(prepare)

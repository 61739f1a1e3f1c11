"""How a command ends with an expected error: one line, and an exit code."""

import contextlib
import re
from collections.abc import Iterator

import typer

from tandem import client
from tandem.cli.packages import SERVER_PACKAGES, how_to_get
from tandem.cli.terminal import Terminal
from tandem.client.credentials import API_KEY
from tandem.shared.errors import EXPECTED, ExpectedError, TandemError

FAILED = 1
REFUSED = 2
INTERRUPTED = 130


@contextlib.contextmanager
def friendly_errors(terminal: Terminal, address: str = "") -> Iterator[None]:
    """Turn expected errors into a line; anything else keeps its traceback.

    The exit code is 2 where a server refuses the request as invalid, 130 after Ctrl-C, else 1.
    `address` is the gateway's.
    """
    code = FAILED
    try:
        yield
    except KeyboardInterrupt:
        terminal.err.print()
        raise typer.Exit(INTERRUPTED) from None
    except client.TandemRpcError as error:
        terminal.fail(_explain(error, address))
        code = REFUSED if isinstance(error, client.InvalidArgument) else FAILED
    except ModuleNotFoundError as error:
        if error.name not in SERVER_PACKAGES:
            raise
        terminal.fail(how_to_get(error.name, "servers"))
    except (TandemError, *EXPECTED) as error:
        if isinstance(error, BrokenPipeError):
            raise
        terminal.fail(str(error))
    else:
        return
    raise typer.Exit(code)


@contextlib.contextmanager
def right_command_named(address: str, model: str, *, is_sequential: bool) -> Iterator[None]:
    """Raise ExpectedError instead of NotFound where the model is of the other paradigm than the command's."""
    try:
        yield
    except client.NotFound:
        others: tuple[client.SequentialModel | client.ParallelModel, ...] = ()
        with contextlib.suppress(client.TandemRpcError), client.TandemClient(address) as asked:
            others = asked.list_parallel_models() if is_sequential else asked.list_sequential_models()
        if model not in [other.name for other in others]:
            raise
        kind, command = ("a parallel", "sample") if is_sequential else ("a sequential", "generate")
        raise ExpectedError(f"{model} is {kind} model; use `tandem {command} --model {model}`") from None


def _explain(error: client.TandemRpcError, address: str) -> str:
    if isinstance(error, client.NotReachable) and "://" in address:
        return f"{address} has a scheme: an address is HOST:PORT, without {address.partition('://')[0]}://"
    if isinstance(error, client.NotReachable) and ":" not in address:
        return f"{address} has no port: an address is HOST:PORT"
    if isinstance(error, client.NotReachable):
        return f"no Tandem gateway at {address}; start one with `tandem up`"
    if isinstance(error, client.Unauthenticated):
        return f"{address} requires a valid API key; set {API_KEY} to one"
    if isinstance(error, client.DeadlineExceeded):
        return f"no reply in time ({error.message}): the server is busy, or the request needs a longer timeout"
    if isinstance(error, client.Unimplemented):
        return f"{address} does not offer this call: it is another kind of server, or the backend of other models"
    return _by_options(error.message) or error.code


_OPTIONS = (  # how the command line calls fields of the contract
    (re.compile(r"^chat\.messages\[\d+\]\.content"), "the prompt"),
    (re.compile(r"^texts\.texts\[\d+\]"), "the text"),
    (re.compile(r"^images\.images(\.\w+)?"), "the image"),
    (re.compile(r"^class_label"), "--label"),
    (re.compile(r"^tokens_per_step"), "--tokens-per-step"),
    (re.compile(r"^context_tokens"), "--context-tokens"),
)


def _by_options(message: str) -> str:
    """Return a refusal with the option that its field comes from."""
    for field, option in _OPTIONS:
        message = field.sub(option, message, count=1)
    return re.sub(r"^sampling\.(\w+)", lambda found: "--" + found[1].replace("_", "-"), message)

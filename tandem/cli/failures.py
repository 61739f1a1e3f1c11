"""How a command ends when something goes wrong that was to be expected: one line, and an exit code."""

import contextlib
from collections.abc import Iterator

import typer

from runtime.errors import TandemError
from tandem.cli.packages import SERVER_PACKAGES, how_to_get
from tandem.cli.terminal import Terminal
from tandem.client import DeadlineExceeded, NotReachable, ResourceExhausted, TandemRpcError, Unauthenticated
from tandem.client.credentials import API_KEY
from tandem.expected_errors import EXPECTED

FAILED = 1
INTERRUPTED = 130


@contextlib.contextmanager
def friendly_errors(terminal: Terminal, address: str = "") -> Iterator[None]:
    """Turn expected errors into a line and exit code 1, Ctrl-C into 130; anything else keeps its traceback.

    `address` is the gateway's.
    """
    try:
        yield
    except KeyboardInterrupt:
        terminal.err.print()
        raise typer.Exit(INTERRUPTED) from None
    except TandemRpcError as error:
        terminal.fail(_explain(error, address))
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
    raise typer.Exit(FAILED)


def _explain(error: TandemRpcError, address: str) -> str:
    if isinstance(error, NotReachable):
        return f"no Tandem gateway at {address}; start one with `tandem up`"
    if isinstance(error, ResourceExhausted) and error.retry_after_seconds is not None:
        return f"not now: {error.message}"
    if isinstance(error, Unauthenticated):
        return f"{address} wants an API key that it knows; put it into {API_KEY}"
    if isinstance(error, DeadlineExceeded):
        return f"no reply in time ({error.message}): the server is busy, or the request needs longer than it was given"
    return error.message or error.code

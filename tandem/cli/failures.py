"""How a command ends with an expected error: one line, and an exit code."""

import contextlib
from collections.abc import Iterator

import typer

from runtime.errors import TandemError
from tandem.cli.packages import SERVER_PACKAGES, how_to_get
from tandem.cli.terminal import Terminal
from tandem.client import DeadlineExceeded, NotReachable, TandemRpcError, Unauthenticated, Unimplemented
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
    if isinstance(error, NotReachable) and "://" in address:
        return f"{address} has a scheme: an address is HOST:PORT, without {address.partition('://')[0]}://"
    if isinstance(error, NotReachable) and ":" not in address:
        return f"{address} has no port: an address is HOST:PORT"
    if isinstance(error, NotReachable):
        return f"no Tandem gateway at {address}; start one with `tandem up`"
    if isinstance(error, Unauthenticated):
        return f"{address} requires a valid API key; set {API_KEY} to one"
    if isinstance(error, DeadlineExceeded):
        return f"no reply in time ({error.message}): the server is busy, or the request needs a longer timeout"
    if isinstance(error, Unimplemented):
        return f"{address} does not offer this call: it is another kind of server, or the backend of other models"
    return error.message or error.code

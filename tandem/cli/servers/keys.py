"""`tandem keys new`: makes an API key, and the entry for the gateway's file of keys."""

import hashlib
import secrets
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from gateway.access.api_keys import ApiKey, describe_error
from tandem.cli.command_line import CommandLine
from tandem.cli.terminal import Terminal
from tandem.shared.errors import ExpectedError

PREFIX, NUM_BYTES = "tdm_", 32

app = CommandLine(help="API keys for the gateway's callers.", no_args_is_help=True)


def _budget(what: str) -> Any:
    return typer.Option(min=1, max=1_000_000_000, help=f"{what} a minute; without it, no limit.")


@app.command()
def new(
    terminal: Terminal,
    name: Annotated[str, typer.Argument(help="Who the key is for: 1 to 64 letters, digits and . _ @ -")],
    requests_per_minute: Annotated[int | None, _budget("Requests")] = None,
    tokens_per_minute: Annotated[int | None, _budget("Tokens")] = None,
    images_per_minute: Annotated[int | None, _budget("Images")] = None,
) -> None:
    """Make a key: standard output has the entry for the gateway's file of keys, standard error the key, once.

    [bold]tandem keys new alice >> keys.toml[/bold], then [bold]python -m gateway --api-keys-file keys.toml[/bold]. The
    entry holds the key's hash, from which the key cannot be recovered. Callers put the key into TANDEM_API_KEY.
    """
    secret = PREFIX + secrets.token_urlsafe(NUM_BYTES)
    try:
        entry = ApiKey(
            name=name,
            sha256=hashlib.sha256(secret.encode()).hexdigest(),
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            images_per_minute=images_per_minute,
        )
    except ValidationError as error:
        raise ExpectedError(describe_error(error)) from None
    fields = entry.model_dump(exclude_none=True).items()
    lines = [f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in fields]
    terminal.out.print("\n".join(("[[keys]]", *lines, "")), markup=False, soft_wrap=True)
    terminal.note("The key, which is kept nowhere and not shown again:")
    terminal.err.print(secret, markup=False, soft_wrap=True)

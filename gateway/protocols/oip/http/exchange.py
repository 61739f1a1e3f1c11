"""One HTTP request for inference and its reply, with errors as this protocol writes them."""

from __future__ import annotations

from typing import Any

from gateway.http.errors import error_body, error_headers, http_status
from gateway.http.exchange import Exchange
from gateway.http.rpcs import Cancelled
from tandem.shared.errors import InvalidArgument, TandemError


def http_error(error: TandemError) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, body and headers of an error: {"error": text}, and when to try again."""
    return http_status(error), {"error": f"[{error.code}] {error}"}, error_headers(error_body(error))


class OipExchange(Exchange):
    """Accepts any content type: headers show whether a request comes from another site's page."""

    async def tensors(self) -> bytes:
        """Return the whole body. Raises InvalidArgument if it is compressed; CancelledError if the client leaves."""
        encoding = self.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise InvalidArgument("content-encoding", encoding, "'identity'")
        return await self.raw_body()

    async def refuse(self, error: TandemError) -> None:
        """Send the error as the reply."""
        status, body, headers = http_error(error)
        await self.reply(body, status, headers)

    async def cancelled(self) -> None:
        """Reply that the work was stopped; the client may have disconnected."""
        await self.refuse(Cancelled("the request was cancelled, and its work stopped"))

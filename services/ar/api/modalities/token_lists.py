"""The token lists of a Score request, which models of any modality take."""

from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

MAX_TEXTS = 256
LIST_FIELD = "tokens.token_lists[{}].ids"


def token_lists_of(request: ar_pb2.ScoreRequest, accepted: str, made: str) -> list[list[int]]:
    """Return the lists. Raises InvalidArgument for another kind of content than `accepted`; the model makes `made`."""
    kind = request.WhichOneof("content")
    if kind is None:
        raise InvalidArgument("content", None, accepted)
    if kind != "tokens":
        raise InvalidArgument(kind, kind, f"{accepted}: this model makes {made}")
    check_count("tokens.token_lists", len(request.tokens.token_lists), MAX_TEXTS)
    return [list(prompt.ids) for prompt in request.tokens.token_lists]


def check_count(field: str, count: int, most: int) -> None:
    """Raises InvalidArgument unless there are 1 to `most` entries."""
    if not 1 <= count <= most:
        raise InvalidArgument(field, f"{count} entries", f"1 to {most}")


def check_is_scorable(field: str, token_ids: list[int]) -> None:
    """Raises InvalidArgument if no token has one before it."""
    if len(token_ids) < 2:
        raise InvalidArgument(field, f"{len(token_ids)} token", "at least two tokens: the first has no probability")

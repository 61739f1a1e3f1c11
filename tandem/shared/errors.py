"""Every error a caller can meet, and nothing about how it travels.

An exception that is not a TandemError counts as Internal. Apart from these are errors of who starts a program: options,
settings and files (ExpectedError, EXPECTED); servers and command line print them in one line.
"""

from collections.abc import Callable, Iterable

MAX_SHOWN = 80
MAX_FIELD = 200
"""Characters of a field's name: a client may have written it, and it is in an error's trailers several times."""


def shown(value: object) -> str:
    """Return `repr(value)`, cut to a length that fits an error message."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text)} characters)"


def _field(name: str) -> str:
    """Return the name of a field, cut to a length that fits an error's trailers, with what is no character escaped."""
    shortened = name if len(name) <= MAX_FIELD else f"{name[:MAX_FIELD]}..."
    return shortened.encode(errors="backslashreplace").decode()


class TandemError(Exception):
    """Expected error with a public message; `code` is the gRPC status code's name."""

    code = "INTERNAL"


class InvalidArgument(TandemError):
    """Expected error: the caller must change the request."""

    code = "INVALID_ARGUMENT"
    reason = ""
    """A constant by which programs recognise this error, empty if there is none: `reason` of google.rpc.BadRequest."""

    def __init__(self, field: str, value: object, accepted: str) -> None:
        self.field = _field(field)
        super().__init__(f"{self.field}: {shown(value)} is not accepted; accepted: {accepted}")
        self._value = value
        self._accepted = accepted

    def within(self, field: str) -> "InvalidArgument":
        """Return the same error of a request that lies in a field of another one."""
        error = type(self).__new__(type(self))  # not by a subclass's own __init__, which may take other arguments
        error.__dict__.update(vars(self))
        InvalidArgument.__init__(error, f"{field}.{self.field}", self._value, self._accepted)
        return error


class ReplyTooLarge(InvalidArgument):
    """Expected error: the reply would have more bytes than the server sends in one message; no work was done for it."""

    reason = "REPLY_TOO_LARGE"


class PromptTooLong(InvalidArgument):
    """Expected error: the prompt leaves no room in the model's context for an output, or for all of it."""

    reason = "PROMPT_TOO_LONG"


class NoChatTemplate(InvalidArgument):
    """Expected error: the request is a conversation, and the model has no template to lay it out with."""

    reason = "NO_CHAT_TEMPLATE"

    def __init__(self) -> None:
        super().__init__("chat", "messages", "text or tokens: this model has no chat template")


class NotFound(TandemError):
    """Expected error: the model, or what else `field` asks for, is not here; the message lists those that are."""

    code = "NOT_FOUND"

    def __init__(self, name: str, available: Iterable[str], field: str = "model") -> None:
        there_are = ", ".join(sorted(available)) or "none"
        text = f"there is no {shown(name)}; there are: {there_are}" if name else f"name one of: {there_are}"
        super().__init__(f"{field}: {text}")


class Unauthenticated(TandemError):
    """Expected error: no API key, or a wrong one. One text for both, so that it reveals nothing about existing keys."""

    code = "UNAUTHENTICATED"

    def __init__(self) -> None:
        super().__init__("an API key is needed, and none that is known came: send 'authorization: Bearer KEY'")


class PermissionDenied(TandemError):
    """Expected error: requests from this origin are refused, whoever sends them."""

    code = "PERMISSION_DENIED"


class ResourceExhausted(TandemError):
    """Expected error: a bounded queue is full; nothing of the request was kept."""

    code = "RESOURCE_EXHAUSTED"
    capacity_left: Callable[[], int] | None = None
    """Returns how many more requests like the refused one would be taken now, of the same caller, with as much time;
    None if that is not known. The holder may refuse further calls without asking."""

    def __init__(self, what: str, limit: int, retry_after_seconds: float) -> None:
        super().__init__(f"{what} is full (limit {limit}); retry in {retry_after_seconds:g} s")
        self.retry_after_seconds = retry_after_seconds


class _ComeBackLater(ResourceExhausted):
    """For another reason than a queue's limit."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        TandemError.__init__(self, f"{message}; retry in {retry_after_seconds:g} s")
        self.retry_after_seconds = retry_after_seconds


class WaitTooLong(_ComeBackLater):
    """Expected error: the work could not begin in time; nothing of the request was kept."""

    def __init__(self, what: str, wait_seconds: float, allowed: str, retry_after_seconds: float) -> None:
        message = f"{what}: the request would wait about {wait_seconds:.3g} s for its turn, longer than the {allowed}"
        super().__init__(message, retry_after_seconds)


class EndsTooLate(_ComeBackLater):
    """Expected error: beside what runs, the work could not end in time; nothing of the request was kept."""

    def __init__(self, what: str, expected_seconds: float, seconds: float, retry_after_seconds: float) -> None:
        message = f"{what}: the request would take about {expected_seconds:.3g} s beside others"
        super().__init__(f"{message}, and its deadline leaves {seconds:.3g} s", retry_after_seconds)


class OverBudget(_ComeBackLater):
    """Expected error: the caller has had all that its API key allows a minute; `unit` is request, token or image."""

    def __init__(self, unit: str, per_minute: int, retry_after_seconds: float) -> None:
        super().__init__(f"the API key's budget of {per_minute} {unit}s a minute is used up", retry_after_seconds)
        self.unit = unit


class MessageTooLarge(TandemError):
    """Expected error: the request message is larger than a server takes."""

    code = "RESOURCE_EXHAUSTED"

    def __init__(self, num_bytes: int, limit: int) -> None:
        super().__init__(f"request: {num_bytes} bytes are more than the {limit} that a message may have")


class TooComplex(TandemError):
    """Expected error: to go on would cost the server, and so all others, more than one request may; `why` is public."""

    code = "RESOURCE_EXHAUSTED"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}; a simpler request may do")
        self.why = why


class DeadlineExceeded(TandemError):
    """Expected error: the caller's deadline has passed."""

    code = "DEADLINE_EXCEEDED"

    def __init__(self, where: str) -> None:
        super().__init__(f"deadline passed {where}")


class Unavailable(TandemError):
    """Expected error: no server is ready for the request; a retry may succeed."""

    code = "UNAVAILABLE"


class Internal(TandemError):
    """Unexpected error, already logged; carries no detail."""

    def __init__(self) -> None:
        super().__init__("internal error; the server's log has the details")


class ModelFault(TandemError):
    """Unexpected error: the model's output for this one request holds NaN, infinity or an unknown token.

    Nothing of it is sent; requests that were computed in the same pass are not affected. The text is fixed: it carries
    neither a value nor an exception's text.
    """

    code = "INTERNAL"

    def __init__(self) -> None:
        super().__init__(
            "the model gave NaN, infinity or an unknown token for this request; other requests are not affected"
        )


class ExpectedError(ValueError):
    """Expected error: an option, a setting, a file or a server's answer cannot be used; the text says which and why."""


EXPECTED = (
    ExpectedError,
    # What the operating system says of a file, a connection or a process that the user named.
    ChildProcessError,
    ConnectionError,
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
"""Any other exception is a fault of the program, and keeps its traceback."""

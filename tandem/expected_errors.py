"""Errors that are not faults of the program; servers and command line print them in one line."""


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

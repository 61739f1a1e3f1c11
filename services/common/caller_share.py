"""How much of a bounded queue one caller may hold."""

from runtime.rpc.caller import connection_of


def most_of_caller(caller: str, num_of_connection: int, share: int, whole: int) -> int:
    """Return the most that the caller may hold of `whole`: its share, as long as it is known who it is.

    A connection that holds nothing yet may go beyond its caller's share, up to half of what that leaves: a program that
    opens fifty connections does not keep out the others on its host.
    """
    return (share + whole) // 2 if connection_of(caller) and not num_of_connection else share

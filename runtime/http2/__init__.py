"""A gRPC server whose HTTP/2 runs outside Python's lock: nghttp2 in a thread of C++, calls as tasks of the event loop.

It is what a process serves with where it can be compiled and there is no TLS; grpcio is what it serves with elsewhere.
"""

from typing import Literal

Http2 = Literal["auto", "native", "grpcio"]
"""Which server a process asks for: this one, grpcio's, or this one where it can be had."""

"""The typed client, sync and asyncio: what an application imports to use Tandem.

    with TandemClient() as client:
        for chunk in client.generate("Tell me a story.", max_tokens=40):
            print(chunk.text, end="")

Everything that goes in or comes out is a plain Python value; protobuf and grpc stay inside.
"""

from tandem.client.asynchronous import AsyncGeneration, AsyncTandemClient
from tandem.client.credentials import DEFAULT_ADDRESS, Credentials
from tandem.client.errors import (
    Cancelled,
    DeadlineExceeded,
    FieldViolation,
    HandshakeFailed,
    Internal,
    InvalidArgument,
    NotFound,
    NotReachable,
    ReplyTooLarge,
    ResourceExhausted,
    TandemRpcError,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from tandem.client.images import ImageBatch, Images, Verdict
from tandem.client.labels import Labels
from tandem.client.models import Models, ParallelModel, SequentialModel, Timings
from tandem.client.options import GenerateOptions, Message, Prompt, SampleOptions
from tandem.client.synchronous import Generation, TandemClient
from tandem.client.text import Alternative, Choice, Completion, GenerateChunk, Score, TokenLogprob, Usage

__all__ = ["DEFAULT_ADDRESS", "AsyncGeneration", "AsyncTandemClient", "Credentials", "Generation", "TandemClient"]
# What goes in.
__all__ += ["GenerateOptions", "ImageBatch", "Labels", "Message", "Prompt", "SampleOptions"]
# What comes out.
__all__ += ["Alternative", "Choice", "Completion", "GenerateChunk", "Images", "Models", "ParallelModel", "Score"]
__all__ += ["SequentialModel", "Timings", "TokenLogprob", "Usage", "Verdict"]
# What is raised.
__all__ += ["Cancelled", "DeadlineExceeded", "FieldViolation", "HandshakeFailed", "Internal", "InvalidArgument"]
__all__ += ["NotFound", "NotReachable", "ReplyTooLarge", "ResourceExhausted", "TandemRpcError", "Unauthenticated"]
__all__ += ["Unavailable", "Unimplemented"]

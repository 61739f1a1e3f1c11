"""What the server says of itself."""

from functools import cache
from importlib.metadata import version

from tandem.oip.grpc_service_pb2 import ServerMetadataResponse

NAME = "tandem"
EXTENSIONS = ("binary_tensor_data", "model_configuration", "parameters", "statistics")
"""Those of Triton's that are here: clients ask for statistics only where they are named."""


@cache
def server_metadata() -> ServerMetadataResponse:
    """Return name, version and extensions."""
    return ServerMetadataResponse(name=NAME, version=version("tandem-serving"), extensions=EXTENSIONS)

"""What the server says of itself."""

from functools import cache

from tandem.oip.grpc_service_pb2 import ServerMetadataResponse
from tandem.version import VERSION

NAME = "tandem"
EXTENSIONS = ("binary_tensor_data", "model_configuration", "parameters", "statistics")
"""Those of Triton's that are here: clients ask for statistics only where they are named."""


@cache
def server_metadata() -> ServerMetadataResponse:
    """Return name, version and extensions."""
    return ServerMetadataResponse(name=NAME, version=VERSION, extensions=EXTENSIONS)

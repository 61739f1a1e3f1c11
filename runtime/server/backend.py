"""The server of a backend: its own service beside those that every backend has."""

from google.protobuf.descriptor import ServiceDescriptor

from runtime.rpc.call import RpcObserver
from runtime.rpc.rpc import service_handler
from runtime.rpc.served import ServedLedger
from runtime.server.served_service import SERVED_SERVICE, served_handler
from runtime.server.server import RpcServer
from runtime.settings import BackendSettings


def backend_server(
    service: ServiceDescriptor, servicer: object, observer: RpcObserver, settings: BackendSettings, port: int
) -> RpcServer:
    """Return the server of a backend's service, and of what its calls were served."""
    ledger = ServedLedger()
    handlers = [service_handler(service, servicer, observer, ledger), served_handler(ledger)]
    names = [service.full_name, SERVED_SERVICE]
    return RpcServer(settings.host, port, handlers, names, settings.server_tls(), settings.http2)

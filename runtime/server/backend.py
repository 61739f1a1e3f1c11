"""The server of a backend: its own service, and what its calls were served whose trailers did not get through."""

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from runtime.rpc.call import Call, RpcObserver
from runtime.rpc.rpc import service_handler
from runtime.rpc.served import ServedLedger
from runtime.server.server import RpcServer
from runtime.settings import BackendSettings
from tandem.common.v1 import served_pb2
from tandem.shared.errors import InvalidArgument

MAX_REQUEST_IDS = 1000

_DESCRIPTOR = served_pb2.DESCRIPTOR.services_by_name["ServedService"]
SERVED_SERVICE: str = _DESCRIPTOR.full_name


def backend_server(
    service: ServiceDescriptor, servicer: object, observer: RpcObserver, settings: BackendSettings, port: int
) -> RpcServer:
    """Return the server of a backend's service, and of what its calls were served."""
    ledger = ServedLedger()
    handlers = [service_handler(service, servicer, observer, ledger), served_handler(ledger)]
    names = [service.full_name, SERVED_SERVICE]
    return RpcServer(settings.host, port, handlers, names, settings.server_tls(), settings.http2)


def served_handler(ledger: ServedLedger) -> grpc.GenericRpcHandler:
    """Return what serves tandem.common.v1.ServedService out of `ledger`; its calls are in no metric."""
    return service_handler(_DESCRIPTOR, _ServedServicer(ledger))


class _ServedServicer:
    def __init__(self, ledger: ServedLedger) -> None:
        self._ledger = ledger

    async def take_served(self, request: served_pb2.TakeServedRequest, call: Call) -> served_pb2.TakeServedResponse:
        """Return, once, what the backend did in calls that have ended."""
        if not 1 <= len(request.request_ids) <= MAX_REQUEST_IDS:
            raise InvalidArgument("request_ids", f"{len(request.request_ids)} ids", f"1 to {MAX_REQUEST_IDS}")
        response = served_pb2.TakeServedResponse()
        for request_id in request.request_ids:
            served = self._ledger.take(request_id)
            if served is not None:
                response.served[request_id].ParseFromString(served)
        return response

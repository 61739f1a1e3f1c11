"""tandem.common.v1.ServedService: gives out what calls were served whose trailers did not get through.

Every backend has it beside its own service.
"""

import grpc

from runtime.rpc.call import Call
from runtime.rpc.rpc import service_handler
from runtime.rpc.served import ServedLedger
from tandem.common.v1 import served_pb2
from tandem.shared.errors import InvalidArgument

MAX_REQUEST_IDS = 1000

_DESCRIPTOR = served_pb2.DESCRIPTOR.services_by_name["ServedService"]
SERVED_SERVICE: str = _DESCRIPTOR.full_name


def served_handler(ledger: ServedLedger) -> grpc.GenericRpcHandler:
    """Return what serves the service out of `ledger`; its calls are in no metric."""
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

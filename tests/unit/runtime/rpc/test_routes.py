from runtime.rpc.routes import all_routes, route_of
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import served_pb2
from tandem.gan.v1 import gan_pb2


def test_a_method_is_found_by_its_descriptor_and_those_of_other_services_are_not() -> None:
    for route in all_routes():
        package = ar_pb2 if route.paradigm == "sequential" else gan_pb2
        [service] = package.DESCRIPTOR.services_by_name.values()
        found = route_of(service.methods_by_name[route.rpc])
        assert found is not None
        assert (found.path, found.paradigm, found.unit) == (route.path, route.paradigm, route.unit)
    assert route_of(served_pb2.DESCRIPTOR.services_by_name["ServedService"].methods[0]) is None

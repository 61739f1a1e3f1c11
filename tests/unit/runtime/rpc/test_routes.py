import pytest

from runtime.rpc.routes import Route, all_routes, list_models_route, route_of
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2, served_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2

TABLE = {
    "Generate": ("sequential", True, "token"),
    "Complete": ("sequential", False, "token"),
    "Score": ("sequential", False, None),
    "Sample": ("parallel", False, "image"),
    "SampleStream": ("parallel", True, "image"),
    "Discriminate": ("parallel", False, None),
}


def route(rpc: str) -> Route:
    [found] = [each for each in all_routes() if each.rpc == rpc]
    return found


def test_every_rpc_of_both_services_is_there() -> None:
    paths = {each.path for each in all_routes()}
    assert len(paths) == len(all_routes()) == 11
    assert "/tandem.ar.v1.AutoregressiveService/Generate" in paths
    assert "/tandem.gan.v1.GanService/ListModels" in paths
    assert list_models_route("sequential").path == "/tandem.ar.v1.AutoregressiveService/ListModels"


def test_a_method_is_found_by_its_descriptor_and_those_of_other_services_are_not() -> None:
    for each in all_routes():
        package = ar_pb2 if each.paradigm == "sequential" else gan_pb2
        [service] = package.DESCRIPTOR.services_by_name.values()
        found = route_of(service.methods_by_name[each.rpc])
        assert found is not None
        assert (found.path, found.paradigm, found.unit) == (each.path, each.paradigm, each.unit)
    assert route_of(served_pb2.DESCRIPTOR.services_by_name["ServedService"].methods[0]) is None


@pytest.mark.parametrize("rpc", TABLE)
def test_what_is_read_from_the_descriptors(rpc: str) -> None:
    found = route(rpc)
    assert (found.paradigm, found.streaming, found.unit) == TABLE[rpc]


def test_outputs_are_tokens_and_images_not_messages() -> None:
    images = gan_pb2.SampleResponse(images=images_pb2.ImageBatch(shape=[6, 28, 28, 1]))
    assert route("Generate").outputs_of(ar_pb2.GenerateResponse(token_ids=[1, 2, 3])) == 3
    assert route("Generate").outputs_of(ar_pb2.GenerateResponse(text_delta="x")) == 0
    assert route("Complete").outputs_of(ar_pb2.CompleteResponse(usage=ar_pb2.Usage(output_tokens=9))) == 9
    assert route("Sample").outputs_of(images) == 6
    assert route("SampleStream").outputs_of(gan_pb2.SampleStreamResponse(part=images)) == 6
    assert route("Sample").outputs_of(gan_pb2.SampleResponse()) == 0
    assert route("Score").outputs_of(ar_pb2.ScoreResponse()) == 0


def test_pictures_are_counted_where_they_are_finished() -> None:
    image = images_pb2.ImageBatch(shape=[1, 28, 28, 1])
    partial = ar_pb2.GenerateResponse(token_ids=[1], image=image)
    last = ar_pb2.GenerateResponse(token_ids=[2], image=image, finish_reason=ar_pb2.FINISH_REASON_LENGTH)
    text = ar_pb2.GenerateResponse(text_delta="x", finish_reason=ar_pb2.FINISH_REASON_STOP)
    assert [route("Generate").images_of(reply) for reply in (partial, last, text)] == [0, 1, 0]
    assert route("Complete").images_of(ar_pb2.CompleteResponse(choices=[last, last, text])) == 2
    assert route("Sample").images_of(gan_pb2.SampleResponse(images=image)) == 0


def test_timings_are_found_or_absent() -> None:
    timings = Timings(total_seconds=2.0)
    part = gan_pb2.SampleResponse(timings=timings)
    assert route("Generate").timings_of(ar_pb2.GenerateResponse(timings=timings)) == timings
    assert route("SampleStream").timings_of(gan_pb2.SampleStreamResponse(part=part)) == timings
    assert route("Generate").timings_of(ar_pb2.GenerateResponse()) is None
    assert list_models_route("parallel").timings_of(gan_pb2.ListModelsResponse()) is None

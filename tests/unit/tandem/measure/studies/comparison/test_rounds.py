"""From the record of modes that took turns to rounds."""

from __future__ import annotations

from datetime import UTC, datetime

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import run_result
from tandem.measure.generator.schedule.request_sequence import RequestSequence
from tandem.measure.generator.workers import Share
from tandem.measure.results.record import Outcome, Use, merged
from tandem.measure.studies.comparison.rounds import Round, rounds_of
from tandem.measure.studies.comparison.run import in_turn
from tests.unit.tandem.measure.records import Recorder, row
from tests.unit.tandem.measure.studies.comparison.seen import NUM_CLASSES, PAIR, trial

MODES = PAIR.modes()
FIRST = 8  # two rounds went before
IMAGE = images_pb2.ImageBatch(shape=[1, 4, 4, 1], encoding=images_pb2.ENCODING_RAW_UINT8, data=bytes(16))
REPLIES = {
    "Generate": ar_pb2.GenerateResponse(image=IMAGE),
    "Complete": ar_pb2.CompleteResponse(choices=[ar_pb2.GenerateResponse(image=IMAGE)]),
    "Sample": gan_pb2.SampleResponse(images=IMAGE),
    "SampleStream": gan_pb2.SampleStreamResponse(part=gan_pb2.SampleResponse(images=IMAGE)),
}


def rounds(num_requests: int, outcomes: dict[int, Outcome] | None = None) -> list[Round]:
    """Return the rounds of so many requests, each of which took its place in its round in seconds."""
    scenario = in_turn(MODES, 3, seed=1).model_copy(update={"first_number": FIRST})
    sequence, recorder = RequestSequence(scenario), Recorder(len(MODES))
    for place in range(num_requests):
        spec, outcome = sequence[place], (outcomes or {}).get(place, Outcome.OK)
        rpc = MODES[spec.workload].workload.rpc
        replies = [(spec.number, REPLIES[rpc].SerializeToString())] if outcome == Outcome.OK else []
        recorder.ended(row(spec.number, float(place), 1.0 + place % 4, outcome, workload=spec.workload), (), replies)
        if outcome == Outcome.ERROR:
            recorder.error_texts[spec.workload, "UNAVAILABLE", f"gone at {place}"] += 1
    plan = Plan(address="127.0.0.1:1", scenario=scenario, models=())
    share = Share(recorder.record(Use(0.1, 1.0, num_requests)), "", None)
    return rounds_of(run_result(plan, [share], datetime.now(UTC)), MODES, NUM_CLASSES)


def test_every_round_has_each_mode_once_with_its_image_and_its_time() -> None:
    found = rounds(12)
    assert len(found) == 3
    for each in found:
        assert set(each.replies) == {mode.name for mode in MODES}
        assert each.is_complete
        assert sorted(reply.latency_seconds for reply in each.replies.values()) == [1.0, 2.0, 3.0, 4.0]
        assert all(reply.image is not None and reply.image.shape == (4, 4, 1) for reply in each.replies.values())
    assert [reply.record.requests["workload"][0] for reply in found[0].replies.values()] == [0] * 4


def test_labels_are_those_that_were_asked_for_each_as_often() -> None:
    # The third to the fifth round: one of the first bag of three classes, two of the second.
    labels = [each.label for each in rounds(12)]
    assert set(labels) <= {0, 1, 2}
    assert labels[1] != labels[2]


def test_a_round_that_was_broken_off_is_left_out() -> None:
    assert len(rounds(10)) == 2
    assert len(rounds(12, {11: Outcome.UNFINISHED})) == 2


def test_a_failed_request_keeps_its_own_error() -> None:
    first, second, third = rounds(12, {5: Outcome.ERROR})
    assert (first.is_complete, second.is_complete, third.is_complete) == (True, False, True)
    (failed,) = (reply for reply in second.replies.values() if not reply.is_good)
    assert failed.image is None
    assert list(failed.record.error_texts.items()) == [((0, "UNAVAILABLE", "gone at 5"), 1)]
    assert not any(reply.record.error_texts for reply in first.replies.values())


def test_what_was_seen_of_a_request_joins_what_was_seen_under_load() -> None:
    reply = rounds(12)[0].replies["parallel unary"]
    whole = merged([reply.record, trial("parallel unary", 4, [0.1, 0.2]).record])
    assert len(whole.requests) == 3
    assert whole.num_dropped.tolist() == [0]

import pytest

from gateway.backend import Backend
from gateway.replica import State
from runtime.errors import Unavailable


def backend(*in_flight: int) -> Backend:
    """Return a backend whose replicas all serve and have so many requests in hand."""
    made = Backend("sequential", [f"10.0.0.{index}:1" for index in range(len(in_flight))])
    for replica, count in zip(made.replicas, in_flight, strict=True):
        replica.state = State.SERVING
        replica.in_flight = count
    return made


def test_least_busy_is_picked() -> None:
    made = backend(3, 1, 2)
    assert all(made.pick() is made.replicas[1] for _ in range(5))


def test_equals_take_turns() -> None:
    made = backend(0, 0, 0)
    assert {made.pick().target for _ in range(3)} == {replica.target for replica in made.replicas}


def test_busy_replica_counts_until_its_holder_ends() -> None:
    made = backend(0, 0)
    first = made.pick()
    with first.busy():
        assert made.pick() is not first
    assert first.in_flight == 0


def test_replica_tried_before_is_the_last_choice() -> None:
    made = backend(0, 9)
    assert made.pick(avoid=[made.replicas[0]]) is made.replicas[1]
    assert made.pick(avoid=made.replicas) is made.replicas[0]


def test_lost_replica_is_never_picked() -> None:
    made = backend(0, 9)
    made.replicas[0].state = State.UNREACHABLE
    assert made.pick() is made.replicas[1]
    made.replicas[1].state = State.NOT_SERVING
    with pytest.raises(Unavailable) as caught:
        made.pick()
    assert str(caught.value) == (
        "sequential backend is not reachable at 10.0.0.0:1; sequential backend is not ready at 10.0.0.1:1"
    )


def test_no_replicas_at_all() -> None:
    made = backend()
    assert not made.is_configured
    with pytest.raises(Unavailable, match="sequential backend is not configured"):
        made.pick()


@pytest.mark.parametrize(
    ("listed", "asked", "label"),
    [
        (["a"], "", "a"),
        (["a", "b"], "", "unknown"),
        (["a", "b"], "b", "b"),
        (["a"], "c", "unknown"),
        ([], "", "unknown"),
        ([], "a", "unknown"),
    ],
)
def test_label_is_a_listed_name_or_unknown(listed: list[str], asked: str, label: str) -> None:
    made = backend(0)
    made.modalities = dict.fromkeys(listed, "text")
    assert made.label_of(asked) == label


@pytest.mark.parametrize(("modality", "label"), [("text", "writer"), ("image", "unknown"), ("", "unknown")])
def test_a_prompt_s_modality_tells_the_default_model(modality: str, label: str) -> None:
    made = backend(0)
    made.modalities = {"writer": "text", "painter": "image", "drawer": "image"}
    assert made.label_of("", modality) == label


async def test_watch_of_no_replicas_ends() -> None:
    async def changed(_: Backend) -> None:
        pytest.fail("nothing can change")

    await backend().watch(changed)

import asyncio
from dataclasses import dataclass, field

import pytest

from runtime.model_worker import ModelWorker
from tandem.shared.errors import ModelFault, NotFound, Unavailable
from tandem.shared.models import ModelError

TOML = 'kind = "gan"\nmodality = "image"\nlicence = "MIT"\n'


class Part:
    """Dies when told to; moved last at `moment`."""

    def __init__(self, moment: float | None) -> None:
        self.moment = moment
        self.death: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.stopped = False

    async def wait_dead(self) -> BaseException:
        return await self.death

    async def stop(self) -> None:
        self.stopped = True

    def last_progress(self) -> float | None:
        return self.moment


@dataclass
class Loaded:
    name: str
    parts: list[Part] = field(default_factory=list)
    watch: None = None


@pytest.fixture
def worker(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.toml").write_text(TOML)
    moments = {"one": [3.0, None], "two": [2.0]}

    async def load(model):
        return Loaded(model.name, [Part(moment) for moment in moments[model.name]])

    return lambda *names: ModelWorker(tmp_path, names, load)


async def test_models_are_found_by_name_and_a_lone_one_by_none_once_they_are_loaded(worker):
    both, lone = worker("one", "two"), worker("two")
    with pytest.raises(Unavailable, match="still loading"):
        both.get("one")
    await both.start()
    await lone.start()
    assert (both.get("two").name, lone.get("").name) == ("two", "two")
    for name, words in (("three", "there are: one, two"), ("", "name one of: one, two")):
        with pytest.raises(NotFound, match=words):
            both.get(name)


async def test_a_fault_at_the_warm_up_is_told_as_one_of_the_model_and_not_of_a_request(worker, tmp_path):
    async def load(model):
        raise ModelFault

    with pytest.raises(ModelError, match="two: gives NaN, infinity or an unknown token when it is warmed up") as caught:
        await ModelWorker(tmp_path, ["two"], load).start()
    assert "request" not in str(caught.value)


async def test_the_oldest_progress_and_the_first_death_count(worker):
    both = worker("one", "two")
    await both.start()
    assert both.last_progress() == 2.0
    both.get("two").parts[0].moment = None
    assert both.last_progress() == 3.0
    reason = RuntimeError("out of order")
    both.get("one").parts[1].death.set_result(reason)
    assert await both.wait_dead() is reason

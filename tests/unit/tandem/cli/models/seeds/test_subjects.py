"""Which requests a seed check sends to which sort of model."""

from typing import Any

from tandem.cli.models.seeds.subjects import NUM_TOKENS, TextSubject
from tandem.client import SequentialModel


def sequential(modality: str, max_context_tokens: int = 256) -> SequentialModel:
    return SequentialModel("s", modality, "", 1, max_context_tokens, 9, 3, "cpu", "float32", (), (), 4, (), False)


class Recorder:
    """A client that only notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def complete(self, prompt: str, **options: Any) -> Any:
        self.asked.append((prompt, options))
        return type("Completion", (), {"choices": [type("Choice", (), {"token_ids": (1,), "logprobs": ()})]})


async def test_a_probe_is_the_same_request_each_time_and_fits_the_context() -> None:
    subject, client = TextSubject(sequential("text", max_context_tokens=80)), Recorder()
    for kind in subject.kinds:
        for seed in (0, 0, 1):
            await subject.probe(client, kind, seed)  # type: ignore[arg-type]
    greedy, sampled = client.asked[:3], client.asked[3:]
    assert greedy[0] == greedy[1] != greedy[2]
    assert sampled[0] == sampled[1] != sampled[2]
    assert (greedy[0][1]["temperature"], sampled[0][1]["temperature"]) == (0.0, 1.0)
    assert all(len(prompt.encode()) + NUM_TOKENS <= 80 for prompt, _ in client.asked)

"""An engine that replies by a rule, as one who asks it sees it: `benchmarks.side_by_side.asker.Asker`."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.peers.engine import Prompt
from benchmarks.side_by_side.asker import Asked
from tandem.measure.results.record import MESSAGE, REQUEST, Record

Rule = Callable[[Prompt], int]  # the next token after all before it


def count_up(tokens: Prompt) -> int:
    return tokens[-1] + 1


def asked_of(times: Sequence[Sequence[float]]) -> Asked:
    """Return requests of which each has the instants of its start and of its messages, the last of which ends it."""
    requests = np.zeros(len(times), REQUEST)
    requests["number"] = np.arange(len(times))
    for name, place in (("sent", 0), ("first_output", 1), ("ended", -1)):
        requests[name] = [each[place] for each in times]
    messages = np.array([(number, at, 1) for number, each in enumerate(times) for at in each[1:]], MESSAGE)
    nothing = np.zeros(1, np.int64)
    return Asked(Record(requests, messages, np.zeros(0), nothing, nothing, Counter(), 0, ()), 0.0)


class ScriptedAsker:
    """Answers by a rule, and remembers what it was asked. A prompt is read in 0 s, a token takes 1 s."""

    def __init__(self, rule: Rule = count_up) -> None:
        self._rule = rule
        self.prompts: list[Prompt] = []

    async def ask(self, prompts: Sequence[Prompt], num_tokens: int | Sequence[int], *, at_a_time: int = 1) -> Asked:
        self.prompts += prompts
        lengths = [num_tokens] * len(prompts) if isinstance(num_tokens, int) else num_tokens
        now, times = [0.0] * at_a_time, []
        for length in lengths:
            caller = now.index(min(now))
            times.append([now[caller] + token for token in range(length + 1)])
            now[caller] += length
        return asked_of(times)

    async def outputs(self, prompts: Sequence[Prompt], num_tokens: Sequence[int]) -> list[list[int]]:
        found = []
        for prompt, count in zip(prompts, num_tokens, strict=True):
            tokens = list(prompt)
            for _ in range(count):
                tokens.append(self._rule(tokens))
            found.append(tokens[len(prompt) :])
        return found

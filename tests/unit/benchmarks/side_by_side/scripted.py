"""Engines that reply by a rule, in place of a server."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from benchmarks.peers.engine import Arrival, Prompt
from benchmarks.side_by_side.replies import Asker

Rule = Callable[[Prompt], int]  # the next token after all before it


def count_up(tokens: Prompt) -> int:
    return tokens[-1] + 1


@dataclass(frozen=True)
class ScriptedEngine:
    """Only what an Asker looks at."""

    is_static_batch: bool = False


class ScriptedConnection:
    """Answers by a rule, `tokens_at_once` tokens a message, and remembers what it was asked."""

    def __init__(self, rule: Rule = count_up, tokens_at_once: int = 1, missing: int = 0) -> None:
        self._rule = rule
        self._tokens_at_once = tokens_at_once
        self._missing = missing
        self.requests: list[list[Prompt]] = []

    async def stream(self, prompts: list[Prompt], num_tokens: int, use_cache: bool) -> AsyncIterator[Arrival]:
        self.requests.append(prompts)
        outputs = [list(prompt) for prompt in prompts]
        for start in range(0, num_tokens - self._missing, self._tokens_at_once):
            for row, tokens in enumerate(outputs):
                new = []
                for _ in range(min(self._tokens_at_once, num_tokens - self._missing - start)):
                    tokens.append(self._rule(tokens))
                    new.append(tokens[-1])
                yield row, new


def asker(connection: ScriptedConnection, is_static_batch: bool = False) -> Asker:
    return Asker(ScriptedEngine(is_static_batch), connection)  # type: ignore[arg-type]

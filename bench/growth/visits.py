"""What is measured: each kind of visit to a server, and the raw figures of all rounds. Draws no conclusions."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.growth.document import Settings, Text
from bench.growth.streams import Asker, Together
from bench.growth.texts import TEXTS, prompt
from tandem.ar.v1 import ar_pb2

_TEMPERATURES: dict[Text, float] = {"repeats itself": 0.0, "new": 1.0}

Case = tuple[Text, int]  # a text, and how many streams of it at a time
Rounds = list[Together]


@dataclass
class Findings:
    """`drafts`: of each round, what each server made of the same texts, in the order of the servers."""

    concurrency: dict[int, Rounds] = field(default_factory=lambda: defaultdict(list))
    context: dict[int, Rounds] = field(default_factory=lambda: defaultdict(list))
    drafts: dict[Case, list[list[Together]]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True)
class Visit:
    """One thing that is measured once a round."""

    name: str
    run: Callable[[Findings], Coroutine[Any, Any, None]]


class Visits:
    """Builds visits to `askers`, of which the first is the server to be measured; the others are compared with it."""

    def __init__(self, askers: Sequence[Asker], settings: Settings, vocab_size: int) -> None:
        self._askers = askers
        self._settings = settings
        self._vocab_size = vocab_size
        self._random = random.Random(settings.seed)
        self._num_turns = 0

    def all(self) -> list[Visit]:
        """Return a visit for each point of each curve."""
        streams = [
            Visit(f"{number} streams", partial(self._concurrency, number)) for number in self._settings.concurrencies
        ]
        contexts = [
            Visit(f"{tokens} tokens of context", partial(self._context, tokens)) for tokens in self._settings.contexts
        ]
        drafts = [
            Visit(f"{TEXTS[text]}, {number} streams", partial(self._drafts, text, number))
            for text in TEXTS
            for number in self._settings.draft_concurrencies
            if len(self._askers) > 1
        ]
        return [*streams, *contexts, *drafts]

    async def warm_up(self) -> None:
        """Ask each server once, not counted."""
        for asker in self._askers:
            await asker.ask([self._random_tokens(self._settings.prompt_tokens)], self._settings.new_tokens)

    async def _concurrency(self, number: int, findings: Findings) -> None:
        prompts = [self._random_tokens(self._settings.prompt_tokens) for _ in range(number)]
        findings.concurrency[number].append(await self._askers[0].ask(prompts, self._settings.new_tokens))

    async def _context(self, tokens: int, findings: Findings) -> None:
        prompts = [self._random_tokens(tokens)]
        findings.context[tokens].append(await self._askers[0].ask(prompts, self._settings.context_new_tokens))

    async def _drafts(self, text: Text, number: int, findings: Findings) -> None:
        """Give all servers the same texts, one server after another; who begins changes from time to time."""
        texts = [prompt(text, place, self._random) for place in range(number)]
        places = list(range(len(self._askers)))
        self._num_turns += 1
        found: dict[int, Together] = {}
        for place in places if self._num_turns % 2 else places[::-1]:
            prompts = [_drawn(each, _TEMPERATURES[text], seed) for seed, each in enumerate(texts)]
            found[place] = await self._askers[place].ask(prompts, self._settings.draft_new_tokens)
        findings.drafts[text, number].append([found[place] for place in places])

    def _random_tokens(self, number: int) -> ar_pb2.GenerateRequest:
        """Return a prompt that no prefix cache knows. What a step costs does not depend on which tokens it computes."""
        request = ar_pb2.GenerateRequest(sampling=ar_pb2.SamplingParams(temperature=0.0))
        request.tokens.ids.extend(self._random.choices(range(self._vocab_size), k=number))
        return request


def _drawn(text: str, temperature: float, seed: int) -> ar_pb2.GenerateRequest:
    return ar_pb2.GenerateRequest(text=text, sampling=ar_pb2.SamplingParams(temperature=temperature, seed=seed))

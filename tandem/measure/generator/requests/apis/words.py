"""Prompts as text, for servers whose tokenizer nobody knows: a common English word for each token asked for."""

from __future__ import annotations

import numpy as np

from tandem.measure.generator.schedule.request_sequence import RequestSpec

_POOL_WORDS = 4096
_NUMBERS = 1_000_000
# Each is one token, with its space, in the vocabularies of GPT-2, Llama, Qwen and SmolLM.
_WORDS = """
the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one you
were all her she there would their we him been has when who will no more if out so up said what its about than into
them can only other time new some could these two may first then do any like my now over such our man me even most
made after also did many before must through back years where much your way down should because each just those people
too how little state good very make world still see own work men day get here between life being under three never
know last might great old year off come since against go right came take used himself few house use place part high
small large number water long around again without night point home school left side light set
"""


class Words:
    """Pieces of one row of random words, each behind a number against prefix caches; see `Plan.prompt_salt`."""

    def __init__(self, prompt_salt: int) -> None:
        self._prompt_salt = prompt_salt
        words = _WORDS.split()
        self._pool = [words[place] for place in np.random.default_rng(0).integers(0, len(words), _POOL_WORDS)]

    def text(self, spec: RequestSpec) -> str:
        """Return a text of as many words as the prompt has tokens; the first of each part is a number."""
        return " ".join(spec.fill_prompt(lambda row: str((row + self._prompt_salt) % _NUMBERS), self._pool))

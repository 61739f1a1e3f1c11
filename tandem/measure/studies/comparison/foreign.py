"""A sequential server of any make beside ours, asked by OpenAI's API for as many tokens as an image of ours has.

What it does within, its queue, its phases and its CPU time, nobody here knows.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tandem.measure.formats import counted
from tandem.measure.generator.generator import Generator
from tandem.measure.generator.requests.apis.listed import named
from tandem.measure.generator.sending.statuses import INTERNAL
from tandem.measure.results.header import ServedModel
from tandem.measure.results.record import CODE_NAMES, Outcome, Record
from tandem.measure.scenario import Workload
from tandem.measure.studies.comparison.modes import DEADLINE_SECONDS, DELIVERIES, OUTPUT_TOKENS, Mode, Pair

CONTRASTS = (("foreign streamed", "sequential streamed"), ("foreign unary", "sequential unary"))


@dataclass(frozen=True)
class Foreign:
    """`source` sends to it; `modes` are streamed and unary."""

    source: Generator
    model: str
    num_tokens: int

    def modes(self) -> tuple[Mode, ...]:
        return tuple(
            Mode(_workload(delivery, self.model, self.num_tokens), _unknown(self.model)) for delivery in DELIVERIES
        )


async def foreign_beside(source: Generator, model: str, pair: Pair) -> Foreign:
    """Return the foreign server that `source` sends to; an empty model is the first it lists.

    Raises ExpectedError, ConnectionError.
    """
    num_tokens = pair.sequential.tokens_per_image or OUTPUT_TOKENS
    workload = await named(source.address, _workload("unary", model, num_tokens))
    return Foreign(source, workload.model, num_tokens)


def whole_texts(record: Record, modes: Sequence[Mode]) -> Record:
    """Return the record of these modes with an error for each foreign text that is shorter than was asked for.

    A server that ends early is no faster, and a text without a token has no first output.
    """
    requests, texts = record.requests.copy(), Counter(record.error_texts)
    is_foreign = np.array([mode.is_foreign for mode in modes])[requests["workload"]]
    is_short = is_foreign & (requests["outcome"] == Outcome.OK) & (requests["num_outputs"] < requests["length"])
    for row in requests[is_short]:
        came = counted(int(row["num_outputs"]), "token" if row["is_counted"] else "message")
        text = f"{came} came instead of {counted(int(row['length']), 'token')}"
        texts[int(row["workload"]), CODE_NAMES[INTERNAL], text] += 1
    requests["outcome"][is_short], requests["code"][is_short] = Outcome.ERROR, INTERNAL
    return record._replace(requests=requests, error_texts=texts)


def _workload(delivery: str, model: str, num_tokens: int) -> Workload:
    return Workload.model_validate(
        {
            "kind": "text",
            "delivery": delivery,
            "api": "openai",
            "model": model,
            "output_tokens": num_tokens,
            "prompt_tokens": 1,  # as a class is one token
            "deadline_seconds": DEADLINE_SECONDS,
        }
    )


def _unknown(name: str) -> ServedModel:
    return ServedModel(
        paradigm="sequential",
        name=name,
        modality="text",
        licence="",
        device=None,
        dtype=None,
        providers=(),
        num_parameters=None,
        max_context_tokens=None,
        vocab_size=None,
        tokens_per_image=None,
        image_shape=(),
        num_classes=0,
        max_batch_size=None,
    )

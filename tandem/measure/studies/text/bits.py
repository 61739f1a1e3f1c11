"""What each number of tokens a step costs in exact bits, told by `Score` of texts that were held from the training."""

import math
from collections.abc import Sequence

from tandem.ar.v1 import ar_pb2
from tandem.ar.v1.ar_pb2_grpc import AutoregressiveServiceStub
from tandem.client.credentials import Credentials, open_async_channel
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import estimate
from tandem.measure.studies.study import Figure, ratio_of_sums

_TIMEOUT_SECONDS = 120.0
_PASSAGES = (
    "The ferry leaves the northern pier at seven, crosses the bay in forty minutes, and waits for the bus from the"
    " hills. Whoever misses it has time for a long breakfast, since the next one goes at noon.",
    "In the garden behind the library stand three pear trees. The oldest bears fruit every second year, the youngest"
    " has never borne any, and the one between them keeps the birds of the whole street.",
    "Our workshop repairs clocks, music boxes and, on Fridays, radios. Bring the key if there is one, write your name"
    " on the tag, and do not wind anything that has stood still for more than a year.",
    "The map shows two paths to the summit. The first follows the river and is easy but long; the second climbs"
    " straight through the wood and should not be taken after rain.",
)


async def find_prompts_that_fit(
    address: str, model: str, prompts: Sequence[ar_pb2.ChatPrompt], most_tokens: int
) -> list[ar_pb2.ChatPrompt]:
    """Return the prompts of at most `most_tokens` tokens, those of the chat template included. Raises grpc.RpcError."""
    credentials = Credentials.from_environment()
    options = {"timeout": _TIMEOUT_SECONDS, "metadata": credentials.metadata}
    async with open_async_channel(address, credentials) as channel:
        stub = AutoregressiveServiceStub(channel)
        asked = [ar_pb2.TokenizeRequest(model=model, chat=prompt) for prompt in prompts]
        counts = [len((await stub.Tokenize(request, **options)).ids) for request in asked]
    return [prompt for prompt, count in zip(prompts, counts, strict=True) if count <= most_tokens]


async def bits_of(
    address: str, model: str, tokens_per_step: Sequence[int], texts: Sequence[str], num_given: int, most_tokens: int
) -> tuple[dict[int, tuple[Value, Value]], int]:
    """Return bits a token and bits a byte, by tokens a step, of the same texts, or of a few of our own, each cut to
    `most_tokens`, behind their first `num_given` tokens; and how many tokens that are. Texts that are too short are
    left out. Raises grpc.RpcError.
    """
    credentials, found, num_scored = Credentials.from_environment(), dict[int, tuple[Value, Value]](), 0
    async with open_async_channel(address, credentials) as channel:
        stub = AutoregressiveServiceStub(channel)
        options = {"timeout": _TIMEOUT_SECONDS, "metadata": credentials.metadata}
        asked = [ar_pb2.TokenizeRequest(model=model, text=text) for text in texts or _PASSAGES]
        lists = [list((await stub.Tokenize(request, **options)).ids)[:most_tokens] for request in asked]
        lists = [ids for ids in lists if len(ids) > num_given]
        for number in tokens_per_step if lists else ():
            # One at a time: a reply has a limit, and so has a step.
            requests = [_request(model, ids, number, num_given) for ids in lists]
            likelihoods = [(await stub.Score(request, **options)).likelihoods[0] for request in requests]
            scored = [each.tokens for each in likelihoods]
            bits = [-sum(token.logprob for token in tokens) / math.log(2) for tokens in scored]
            counts = [float(len(tokens)) for tokens in scored]
            sizes = [float(sum(len(token.token) for token in tokens)) for tokens in scored]
            found[number] = (_value(ratio_of_sums(bits, counts)), _value(ratio_of_sums(bits, sizes)))
            num_scored = int(sum(counts))
    return found, num_scored


def _request(model: str, ids: Sequence[int], tokens_per_step: int, num_given: int) -> ar_pb2.ScoreRequest:
    content = ar_pb2.TokenContent(token_lists=[ar_pb2.TokenPrompt(ids=ids)])
    return ar_pb2.ScoreRequest(model=model, tokens=content, tokens_per_step=tokens_per_step, context_tokens=num_given)


def _value(figure: Figure) -> Value:
    return estimate(figure.of, figure.count, 0.95, figure.spread)

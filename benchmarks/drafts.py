"""What drafts bring: everyday questions answered with and without them, by one server, in turns.

    python -m benchmarks.drafts [--model smollm2-135m-instruct] [--rounds 4] [--callers 1 8 32] [--out out]

Contenders: `plain` tries no token ahead; `copied` copies from where the last tokens occurred before; `checked` is the
server's default, a draft head and copies. The first and the last are asked for by requests, the second by another
server, which has no head. In each round callers share the questions of benchmarks/questions.txt, more than once where
there are many callers; each round begins with another question. Answers are greedy, of at most 128 tokens. Rates count
tokens from the first request to the last answer, prompts included; `to_plain` is the ratio of a round. `tokens_a_step`:
all tokens over those that were not drafts that held. All contenders must give the same answers, greedy and sampled, or
the command fails: `num_equal_tokens` counts them. Writes text_drafts.json.
"""

import itertools
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures, Round
from benchmarks.harness.load import LoadFailed, LoadTester, open_tester
from benchmarks.harness.processes import ROOT, service
from benchmarks.harness.results import write
from tandem.ar.v1 import ar_pb2
from tandem.measure.scenario import ClosedLoop
from tandem.measure.workload_text import parse_workload

PLAIN, COPIED, CHECKED = "plain", "copied", "checked"
QUESTIONS = Path(__file__).with_name("questions.txt").read_text().splitlines()
ANSWER_TOKENS = 128
COMPARED_CALLERS = 4


def request_of(model: str, question: str, seed: int, is_plain: bool, temperature: float = 0.0) -> bytes:
    """Return a message that asks a question; `is_plain`: without drafts."""
    message = ar_pb2.GenerateRequest(model=model)
    message.chat.messages.add(role="user", content=question)
    message.sampling.MergeFrom(ar_pb2.SamplingParams(temperature=temperature, seed=seed, max_tokens=ANSWER_TOKENS))
    if is_plain:
        message.sampling.speculative_tokens = 0
    return message.SerializeToString()


def copy_without_head(model: str, folder: Path) -> None:
    """Write an entry of a model repository that is the model's own but for its draft head. Weights lie elsewhere."""
    toml = (ROOT / "models" / model / "model.toml").read_text()
    (folder / model).mkdir()
    (folder / model / "model.toml").write_text(
        re.sub(r'^(draft_head|"draft_head\S*) =.*\n', "", toml, flags=re.MULTILINE)
    )


class Session:
    """Servers that run, and what they gave. `workload` is that of all loads."""

    def __init__(self, testers: Mapping[str, LoadTester], model: str, figures: Figures) -> None:
        self._testers = testers
        self._model = model
        self._figures = figures
        self._workload = parse_workload("text", "tandem", model)

    def ask_all(self, who: str, temperature: float) -> list[list[int]]:
        """Return a contender's answers to all questions."""
        requests = [
            request_of(self._model, question, seed, who == PLAIN, temperature)
            for seed, question in enumerate(QUESTIONS)
        ]
        replies = self._testers[who].ask(self._workload, requests, COMPARED_CALLERS)
        return [
            [token for message in reply for token in ar_pb2.GenerateResponse.FromString(message).token_ids]
            for reply in replies
        ]

    def check(self) -> int:
        """Return how many tokens all contenders gave alike. Raises LoadFailed if one gave others."""
        num_equal = 0
        for temperature in (0.0, 0.7, 1.0):
            expected = self.ask_all(PLAIN, temperature)
            for who in (COPIED, CHECKED):
                if self.ask_all(who, temperature) != expected:
                    raise LoadFailed(f"{who}: other answers than {PLAIN}, at temperature {temperature:g}")
            num_equal += sum(map(len, expected))
        return num_equal

    def measure(self, who: str, callers: int, number: int) -> Round:
        """Ask all questions, more than once where callers are many."""
        chosen = list(itertools.islice(itertools.cycle(_rotated(number)), max(len(QUESTIONS), 2 * callers)))
        run = self._testers[who].run(
            f"{who}, {callers} callers",
            self._workload,
            ClosedLoop(concurrency=callers),
            [request_of(self._model, question, 0, who == PLAIN) for question in chosen],
            num_requests=len(chosen),
            drain_seconds=120.0,
            keep_replies=True,
        )
        replies = [reply[-1] for reply in run.found.record.kept().values()]
        usages = [ar_pb2.GenerateResponse.FromString(reply).usage for reply in replies]
        num_tokens, accepted = (sum(getattr(u, name) for u in usages) for name in ("output_tokens", "accepted_tokens"))
        return {
            f"{callers}.tokens_per_second": run.measured.rates.outputs,
            f"{callers}.tokens_a_step": num_tokens / (num_tokens - accepted),
        }


def _rotated(number: int) -> Sequence[str]:
    place = 7 * number % len(QUESTIONS)
    return QUESTIONS[place:] + QUESTIONS[:place]


def _to_plain(callers: int, seen: Mapping[str, Round]) -> Mapping[str, Round]:
    rates = seen.get(f"{callers}.tokens_per_second", {})
    if PLAIN not in rates:
        return {}
    return {f"{callers}.to_plain": {who: rate / rates[PLAIN] for who, rate in rates.items() if who != PLAIN}}


def measure(model: str, rounds: int, numbers: Sequence[int]) -> dict[str, Any]:
    figures = Figures()
    with ExitStack() as stack:
        testers: dict[str, LoadTester] = {}
        headless = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        copy_without_head(model, headless)
        for names, flags in (((PLAIN, CHECKED), ()), ((COPIED,), ("--models-dir", str(headless)))):
            port = stack.enter_context(service("services.ar", model, *flags)).port
            testers |= dict.fromkeys(names, stack.enter_context(open_tester(port, figures.audited_runs)))
        session = Session(testers, model, figures)
        num_equal = session.check()
        for callers in numbers:
            measures = {who: partial(session.measure, who, callers) for who in (PLAIN, COPIED, CHECKED)}
            figures.measure_rounds(rounds, measures, partial(_to_plain, callers), f"{callers} callers")
    return figures.document(
        "text_drafts", rounds, about={"model": model, "callers": list(numbers), "num_equal_tokens": num_equal}
    )


def main() -> None:
    flags = parser(__doc__, rounds=4, out="text_drafts")
    flags.add_argument("--model", default="smollm2-135m-instruct")
    flags.add_argument("--callers", nargs="*", type=int, default=[1, 8, 32])
    options = flags.parse_args()
    write(options.out, "text_drafts", measure(options.model, options.rounds, options.callers))


if __name__ == "__main__":
    main()

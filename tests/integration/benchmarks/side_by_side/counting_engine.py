"""An engine that counts up from a prompt's last token, served as the peers are: `python -m ...counting_engine PORT`.

With the word `wrong` behind the port it counts in twos. A prompt that begins with 666 ends the process.
"""

import sys

from benchmarks.peers.engines import COMPLETIONS, Dialect, Engine, Need
from benchmarks.peers.text_server import News, Request, serve


class Counting:
    def __init__(self, stride: int) -> None:
        self._stride = stride
        self._running: list[Request] = []
        self._lasts: dict[int, int] = {}

    @property
    def is_idle(self) -> bool:
        return not self._running

    def add(self, request: Request) -> None:
        if request.prompt[0] == 666:
            raise RuntimeError("bad luck")
        self._running.append(request)
        self._lasts[id(request)] = request.prompt[-1]

    def step(self) -> News:
        news: News = []
        for request in self._running:
            self._lasts[id(request)] += self._stride
            request.num_left -= 1
            news.append((request, [self._lasts[id(request)]]))
        self._running = [request for request in self._running if request.num_left > 0]
        return news


def counting_engine(name: str, word: str = "right", dialect: Dialect = COMPLETIONS, is_ours: bool = False) -> Engine:
    """Return the same, as `benchmarks.side_by_side` sees it; `word` stands behind the port."""

    def command(need: Need, port: int) -> tuple[str, ...]:
        module = "tests.integration.benchmarks.side_by_side.counting_engine"
        return (sys.executable, "-m", module, str(port), word, name)

    return Engine(name, dialect, lambda: {"counting": "1"}, command, is_ours=is_ours)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Counting(2 if sys.argv[2] == "wrong" else 1))

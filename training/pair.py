"""Train a pair of your own, and a judge of it, on the images of an .npz file:

    python -m training.pair --data shapes.npz --models my-models

Runs the trainings and exports of this package one after another and says which; runs/ has their checkpoints and images.
After Ctrl-C, the same command goes on where it stopped. NAME is the file's, unless --name gives another one:

    judge    NAME-judge, the classifier whose features measure the others
    gan      NAME-gan
    ar       NAME-ar: tokenizer, decoder, transformer
    refined  a better decoder for NAME-ar (needs judge, gan, ar)
    sar      NAME-sar, which draws in any number of steps, from NAME-ar's tokens
"""

import argparse
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from training.gan import export as gan_export
from training.gan import train as gan
from training.judge import export as judge_export
from training.judge import train as judge
from training.refinement import export as refinement_export
from training.refinement import train as refinement
from training.set_autoregressive import export as sar_export
from training.set_autoregressive import step_costs
from training.set_autoregressive import train as sar
from training.tokenizer import train as tokenizer
from training.tokenizer import tune_decoder
from training.transformer import export as ar_export
from training.transformer import train as ar

PARTS = ("judge", "gan", "ar", "refined", "sar")
USUAL = PARTS[:3]

Main = Callable[[Sequence[str] | None], None]
Command = tuple[Main, list[str]]


class Plan:
    """The commands of each part, in the order of PARTS."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._name = options.name or options.data.stem
        self._models, self._runs, self._data = options.models, options.runs, ["--data", str(options.data)]
        self._common = [*self._data, "--effort", str(options.effort), "--threads", str(options.threads)]

    def commands(self, parts: Sequence[str]) -> Iterator[Command]:
        for part in PARTS:
            if part in parts:
                yield from getattr(self, f"_{part}")()

    def _run(self, what: str) -> str:
        return str(self._runs / f"{self._name}-{what}")

    def _model(self, what: str) -> str:
        return str(self._models / f"{self._name}-{what}")

    def _train(self, main: Main, what: str, *more: str) -> Command:
        return main, [*self._common, "--out", self._run(what), *more]

    def _judge(self) -> Iterator[Command]:
        yield self._train(judge.main, "judge")
        yield judge_export.main, ["--run", self._run("judge"), "--model", self._model("judge")]

    def _gan(self) -> Iterator[Command]:
        yield self._train(gan.main, "gan")
        yield gan_export.main, ["--run", self._run("gan"), "--model", self._model("gan")]

    def _ar(self) -> Iterator[Command]:
        yield self._train(tokenizer.main, "tokenizer")
        yield self._train(tune_decoder.main, "decoder", "--tokenizer", self._run("tokenizer"))
        yield self._train(ar.main, "ar", "--tokenizer", self._run("tokenizer"))
        exported = ["--run", self._run("ar"), "--tokenizer", self._run("decoder"), "--model", self._model("ar")]
        yield ar_export.main, exported

    def _refined(self) -> Iterator[Command]:
        tokens = ["--tokenizer", self._run("decoder")]
        opponent = ["--opponent", f"{self._model('gan')}/discriminator.onnx"]
        looks = ["--model", self._model("ar"), *opponent, "--judge", f"{self._model('judge')}/judge.onnx"]
        yield self._train(refinement.main, "refined", *tokens, *looks)
        yield refinement_export.main, [*tokens, "--run", self._run("refined"), "--models", self._model("ar")]

    def _sar(self) -> Iterator[Command]:
        tokens = ["--tokenizer", f"{self._name}-ar"]
        yield self._train(sar.main, "sar", *tokens, "--models-dir", str(self._models))
        yield sar_export.main, ["--run", self._run("sar"), *tokens, "--model", self._model("sar")]
        yield step_costs.main, [*self._data, "--model", self._model("sar")]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="images and labels, see docs/your-own-pair.md")
    parser.add_argument("--models", type=Path, required=True, help="folder of models to write to")
    parser.add_argument("--name", help="how the models' names begin; default: the file's name")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trainings")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=USUAL, help="default: judge gan ar")
    parser.add_argument("--effort", type=float, default=1.0, help="share of the usual steps, which suit 60,000 images")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    options = parser.parse_args(argv)
    for command, words in Plan(options).commands(options.parts):
        print(f"$ python -m {command.__module__} {shlex.join(words)}", flush=True)
        command(words)


if __name__ == "__main__":
    main()

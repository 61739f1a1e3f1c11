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
from collections.abc import Callable, Sequence
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
from training.tokenizer import train as tokenizer_train
from training.tokenizer import tune_decoder
from training.transformer import export as ar_export
from training.transformer import train as ar

PARTS = ("judge", "gan", "ar", "refined", "sar")
USUAL = PARTS[:3]

Main = Callable[[Sequence[str] | None], None]
Command = tuple[Main, list[str]]


def commands(options: argparse.Namespace) -> list[Command]:
    """Return the commands of the parts that are asked for, in the order of PARTS."""
    name, data = options.name or options.data.stem, ["--data", str(options.data)]
    common = [*data, "--effort", str(options.effort), "--threads", str(options.threads)]

    def at(what: str) -> str:
        return str(options.runs / f"{name}-{what}")

    def model(what: str) -> str:
        return str(options.models / f"{name}-{what}")

    def train(main: Main, what: str, *more: str) -> Command:
        return main, [*common, "--out", at(what), *more]

    tokenizer, decoder, own = (["--tokenizer", text] for text in (at("tokenizer"), at("decoder"), f"{name}-ar"))
    looks = ["--opponent", f"{model('gan')}/discriminator.onnx", "--judge", f"{model('judge')}/judge.onnx"]
    parts: dict[str, list[Command]] = {
        "judge": [train(judge.main, "judge"), (judge_export.main, ["--run", at("judge"), "--model", model("judge")])],
        "gan": [train(gan.main, "gan"), (gan_export.main, ["--run", at("gan"), "--model", model("gan")])],
        "ar": [
            train(tokenizer_train.main, "tokenizer"),
            train(tune_decoder.main, "decoder", *tokenizer),
            train(ar.main, "ar", *tokenizer),
            (ar_export.main, ["--run", at("ar"), *decoder, "--model", model("ar")]),
        ],
        "refined": [
            train(refinement.main, "refined", *decoder, "--model", model("ar"), *looks),
            (refinement_export.main, [*decoder, "--run", at("refined"), "--models", model("ar")]),
        ],
        "sar": [
            train(sar.main, "sar", *own, "--models-dir", str(options.models)),
            (sar_export.main, ["--run", at("sar"), *own, "--model", model("sar")]),
            (step_costs.main, [*data, "--model", model("sar")]),
        ],
    }
    return [command for part in PARTS if part in options.parts for command in parts[part]]


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
    for command, words in commands(options):
        print(f"$ python -m {command.__module__} {shlex.join(words)}", flush=True)
        command(words)


if __name__ == "__main__":
    main()

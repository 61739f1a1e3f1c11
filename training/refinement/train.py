"""Refine the decoder of a sequential image model; its tokens stay as they are:

    python -m training.refinement.train --tokenizer runs/fashion-decoder --model models/fashion-ar \\
        --out runs/fashion-refined

The decoder plays (hinge loss) against an opponent that sees patches and the whole image and knows the class, and is
drawn to what the opponent's layers see of the real image (feature matching). Half of what it decodes are tokens of real
images; the other half are tokens that the model itself has drawn, as those are what it gets to decode in service: there
the opponent alone says how they should look. The log has, at each snapshot, how far both kinds are from the validation
images in the judge's features, which nothing here learns from: the snapshot to export is chosen by that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tandem.measure.quality.distances import Features, frechet_distance
from tandem.measure.quality.judge import Judge
from tandem.shared.models import Model, ModelRepository
from training import loop
from training.dataset import DataSet, load, shuffled_batches, to_model_range, to_pixels
from training.refinement.networks import Opponent, RefinedDecoder, weights_of
from training.release.own_images import drawn_tokens
from training.tokenizer.networks import Decoder, from_tokens
from training.tokenizer.train import Autoencoder, load_tokenizer, restoration_loss, token_sequences

NUM_DRAWN = 30_000
NUM_DRAWN_TO_CHOOSE_BY = 5_000
VIEWS = ("patches", "bag", "whole")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome, but for the model that it starts from."""

    steps: int = 1_200
    batch_size: int = 24
    learning_rate: float = 3e-4
    opponent_rate: float = 4e-4
    matching_weight: float = 0.3
    adversarial_weight: float = 0.1
    ema_decay: float = 0.996
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Material:
    """What to learn from, or to choose by: images with their labels and tokens, and drawn tokens with theirs."""

    images: Tensor  # [N, C, H, W] uint8
    labels: Tensor  # [N]
    tokens: Tensor  # [N, T]
    drawn_tokens: Tensor  # [M, T]
    drawn_labels: Tensor  # [M]

    def batches(self, batch_size: int, seed: int, first_step: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield images [2 B, C, H, W] in -1..1, their labels [2 B], the tokens [B, T] of the first half of them, and as
        many drawn tokens [B, T] with their labels [B].
        """
        images = shuffled_batches(len(self.images), 2 * batch_size, seed, first_step)
        drawn = shuffled_batches(len(self.drawn_tokens), batch_size, seed + 1, first_step)
        for chosen, own in zip(images, drawn, strict=True):
            image = to_model_range(self.images[chosen]).contiguous(memory_format=torch.channels_last)
            tokens = self.tokens[chosen[:batch_size]]
            yield image, self.labels[chosen], tokens, self.drawn_tokens[own], self.drawn_labels[own]


def load_material(
    model: Model, tokenizer: Autoencoder, data: DataSet, folder: Path, effort: float
) -> tuple[Material, Material]:
    """Return what to learn from and what to choose by; drawn tokens, a share of NUM_DRAWN, are kept in `folder`.

    Raises ModelError.
    """
    drawn_per_class, chosen_by = (
        loop.share_of(count, effort / data.kind.num_classes) for count in (NUM_DRAWN, NUM_DRAWN_TO_CHOOSE_BY)
    )
    drawn = torch.from_numpy(drawn_tokens(model, drawn_per_class + chosen_by, folder))
    return (
        _material(tokenizer, data.train, drawn[:, :drawn_per_class]),
        _material(tokenizer, data.validation, drawn[:, drawn_per_class:]),
    )


def _material(tokenizer: Autoencoder, split: tuple[Tensor, Tensor], drawn: Tensor) -> Material:
    images, labels = split
    drawn_labels = torch.arange(len(drawn)).repeat_interleave(drawn.shape[1])
    return Material(images, labels, token_sequences(tokenizer, split)[:, 1:], drawn.flatten(0, 1), drawn_labels)


class Trainer(loop.Trainer[Recipe]):
    """Trains the decoder and its opponent; the averaged weights are the ones to serve."""

    def __init__(
        self, recipe: Recipe, decoder: Decoder, opponent: Opponent, *, material: Material, chooser: "Chooser"
    ) -> None:
        super().__init__(recipe, decoder.kind)
        self._material, self._chooser = material, chooser
        self.decoder: RefinedDecoder = loop.to_device(RefinedDecoder(decoder).requires_grad_(True).train())
        self.opponent: Opponent = loop.to_device(opponent)
        self.averaged = loop.average(self.decoder, recipe.ema_decay, use_buffers=False)
        self.optimiser, self.schedule = self._optimiser(self.decoder, recipe.learning_rate)
        self.opponent_optimiser, self.opponent_schedule = self._optimiser(self.opponent, recipe.opponent_rate)

    def _optimiser(self, module: nn.Module, rate: float) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.LambdaLR]:
        optimiser = torch.optim.Adam(module.parameters(), rate, (0.0, 0.99))
        return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, self._rate)

    def _rate(self, step: int) -> float:
        """Stay, then fall to nothing over the last half."""
        return min(1.0, 2 * (1 - step / self.recipe.steps))

    def batches(self, first_step: int) -> Iterator[loop.Batch]:
        return self._material.batches(self.recipe.batch_size, self.recipe.seed, first_step)

    def step(self, *batch: Tensor) -> dict[str, float]:
        """Learn from images [2 B, C, H, W] with labels [2 B], tokens [B, T] of the first of them, and drawn ones."""
        image, label, tokens, drawn_tokens, drawn_label = batch
        fake_label = torch.cat([label[: len(tokens)], drawn_label])
        fake = self.decoder(from_tokens(torch.cat([tokens, drawn_tokens]), self.kind.grid))
        values = self._opponent_round(image, label, fake.detach(), fake_label)
        values |= self._decoder_round(image[: len(tokens)], fake, fake_label)
        self.averaged.update_parameters(self.decoder)
        return values

    def _opponent_round(self, image: Tensor, label: Tensor, fake: Tensor, fake_label: Tensor) -> dict[str, float]:
        scores, _ = self.opponent(torch.cat([image, fake]), torch.cat([label, fake_label]))
        pairs = [view.split([len(image), len(fake)]) for view in scores]
        losses = [loop.hinge_loss(real, made) for real, made in pairs]
        loop.descend(torch.stack(losses).sum(), self.opponent_optimiser, self.opponent_schedule)
        return {f"opponent_loss_{name}": loss.item() for name, loss in zip(VIEWS, losses, strict=True)}

    def _decoder_round(self, image: Tensor, fake: Tensor, fake_label: Tensor) -> dict[str, float]:
        self.opponent.requires_grad_(False)
        scores, features = self.opponent(fake, fake_label)
        with torch.no_grad():
            _, wanted = self.opponent(image, fake_label[: len(image)])
        self.opponent.requires_grad_(True)
        restored = restoration_loss(fake[: len(image)], image)
        matched = matching_loss([feature[: len(image)] for feature in features], wanted)
        game = -torch.stack([view.mean() for view in scores]).sum()
        loss = restored + self.recipe.matching_weight * matched + self.recipe.adversarial_weight * game
        loop.descend(loss, self.optimiser, self.schedule)
        return {"restoration_loss": restored.item(), "matching_loss": matched.item(), "decoder_loss": game.item()}

    @torch.no_grad()
    def snapshot(self, folder: Path) -> dict[str, float]:
        served = self.averaged.module.eval()
        assert isinstance(served, RefinedDecoder)
        self.write_weights(served, folder, "decoder")
        measured = self._chooser.measure(served)
        served.train()
        return measured


def matching_loss(features: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Return the mean over layers of the mean distance of features, each layer's by the size of what is wanted."""
    parts = [(found - real).abs().mean() / real.abs().mean() for found, real in zip(features, wanted, strict=True)]
    return torch.stack(parts).mean()


class Chooser:
    """Measures snapshots on what the training does not see."""

    def __init__(self, judge: Judge, held_out: Material) -> None:
        self._judge = judge
        self._held_out = held_out
        self._real = self._features(held_out.images)

    def measure(self, decoder: RefinedDecoder) -> dict[str, float]:
        """Return the Fréchet distances to the images held out: of themselves restored, and of drawn images."""
        restored, drawn = (
            self._look(decoder, tokens) for tokens in (self._held_out.tokens, self._held_out.drawn_tokens)
        )
        return {
            "restored_fid": round(frechet_distance(restored, self._real), 4),
            "drawn_fid": round(frechet_distance(drawn, self._real), 4),
        }

    def _look(self, decoder: RefinedDecoder, tokens: Tensor) -> Features:
        parts = tokens.to(loop.device()).split(500)
        images = [to_pixels(decoder(from_tokens(part, decoder.kind.grid))).cpu() for part in parts]
        return self._features(torch.cat(images))

    def _features(self, images: Tensor) -> Features:
        """Return the judge's features of images [N, C, H, W]."""
        return self._judge.classify(images.permute(0, 2, 3, 1).numpy())[1]


def main(argv: Sequence[str] | None = None) -> None:
    paths = {"tokenizer": "folder of the decoder's first training", "model": "folder of the model that draws tokens"}
    parser = loop.parser(__doc__, snapshot_every=200, **paths)
    parser.add_argument("--opponent", type=Path, default=Path("models/fashion-gan/discriminator.onnx"))
    parser.add_argument("--judge", type=Path, default=Path("models/fashion-judge/judge.onnx"))
    options = loop.parse(parser, argv)
    recipe, data = loop.scale(Recipe, options), load(options.data)
    torch.manual_seed(recipe.seed)
    model = ModelRepository(options.model.parent).get(options.model.name)
    tokenizer = load_tokenizer(loop.newest(options.tokenizer, "ema-*.safetensors"))
    material, held_out = load_material(model, tokenizer, data, options.out, options.effort)
    opponent = Opponent(data.kind)
    opponent.start_from(weights_of(options.opponent))
    chooser = Chooser(Judge(options.judge), held_out)
    loop.train(Trainer(recipe, tokenizer.decoder, opponent, material=material, chooser=chooser), options)


if __name__ == "__main__":
    main()

"""From a text model to its draft head: answers drawn, a head trained and exported, and a service that drafts by it."""

import numpy as np

from services.ar.compute.native import forward
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tandem.shared.models import ModelRepository
from tests.integration.services.ar.conftest import serving
from tests.tiny_models import add_to_repository
from training import loop
from training.draft_head import answers
from training.draft_head.export import export
from training.draft_head.train import Recipe, Trainer


async def test_a_head_that_was_trained_on_a_model_s_answers_drafts_for_it(tmp_path, monkeypatch):
    add_to_repository(tmp_path / "models")
    model, run = ModelRepository(tmp_path / "models").get("tiny"), tmp_path / "run"
    monkeypatch.setattr(answers, "ANSWERS_A_FILE", 12)
    answers.draw_answers(model, 400, run)
    drawn = answers.load_answers(run)
    assert 400 <= len(drawn.tokens) == drawn.lengths.sum()
    assert drawn.hidden.shape == (len(drawn.tokens), 64)
    num_files = len(list(run.glob("answers-*.npz")))
    answers.draw_answers(model, 400, run)  # they are there
    assert len(list(run.glob("answers-*.npz"))) == num_files

    checkpoint = open_checkpoint(model.transformer_path())
    assert_rows_are_what_tokens_were_sampled_from(checkpoint, drawn)
    loop.run(Trainer(Recipe(steps=150, batch_size=64, width=96), checkpoint, drawn), run, snapshot_every=150)
    for _ in range(2):  # the second time it renews what it wrote
        export(run, run, model.folder)
    spec = ModelRepository(tmp_path / "models").get("tiny").spec
    assert spec.draft_head in spec.files
    monkeypatch.setattr(forward, "LEAST_CHANCE", 0.0)
    settings = ArSettings(models_dir=tmp_path / "models", models=["tiny"], device="cpu")
    async with serving(settings) as backend:
        found = []
        for most in (0, 4):
            sampling = ar_pb2.SamplingParams(temperature=0, max_tokens=60, ignore_eos=True, speculative_tokens=most)
            request = ar_pb2.GenerateRequest(text="a", sampling=sampling, report_drafts=True)
            replies = await backend.generate(request)
            found.append([token for reply in replies for token in reply.token_ids])
        assert found[0] == found[1]
        assert replies[-1].usage.drafted_tokens > 0


def assert_rows_are_what_tokens_were_sampled_from(checkpoint, drawn: answers.Answers) -> None:
    """The output matrix makes of a last hidden state what a greedy answer says."""
    head = next(part for name, part in checkpoint.read_tensors() if name == "model.embed_tokens.weight")
    logits = drawn.hidden.astype(np.float32) @ np.asarray(head.read(head.rows)).T
    assert np.mean(logits.argmax(-1) == drawn.tokens) > 0.4

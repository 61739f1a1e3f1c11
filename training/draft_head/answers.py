"""What a text model answers to questions of its own, with its last hidden states: all that its draft head learns from.

Questions are what the model writes where its chat template has the user's turn (Xu et al. 2024, "Magpie",
arXiv 2406.08464), behind one of OPENINGS, so that they are of as many kinds as people's; a model without a template
goes on with texts of its own. No other text is needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import Progress

from runtime.cores import usable_cores
from services.ar.codecs.text_codec import TextCodec
from services.ar.compute.memory import empty
from services.ar.compute.native.forward import NativeForward, open_native
from services.ar.compute.native.parameters import Sizes
from services.ar.compute.runner import Computed, Runner, Sampled, Wanted
from services.ar.engine.block_pool import BlockPool
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout, Work
from services.ar.model.arrays import Array
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import Model

BLOCK_SIZE = 16
MAX_SEQUENCES = 64
MAX_CONTEXT_TOKENS = 512
MAX_QUESTION_TOKENS = 64
MAX_ANSWER_TOKENS = 256
ANSWERS_A_FILE = 256
QUESTIONS = SamplingParams(max_tokens=MAX_QUESTION_TOKENS, temperature=0.8, top_p=0.95)
OPENINGS = (
    *("", "What", "What is", "What are", "How", "How do I", "How does", "How many", "Why", "Why do", "Who", "When was"),
    *("Where", "Which", "Is", "Can you", "Should I", "Tell me", "Give me", "Name", "List", "Write a", "Write a Python"),
    *("Explain", "Describe", "Translate", "I am", "I need", "Help me", "Summarize"),
)
ANSWERS = (
    SamplingParams(max_tokens=MAX_ANSWER_TOKENS, temperature=0.0),
    SamplingParams(max_tokens=MAX_ANSWER_TOKENS, temperature=0.2, top_p=0.9),
    SamplingParams(max_tokens=MAX_ANSWER_TOKENS, temperature=0.0),
    SamplingParams(max_tokens=MAX_ANSWER_TOKENS, temperature=0.7),
)
"""How answers are drawn, in turn: drafts pay most where a text is greedy, and should serve others, too."""


@dataclass(frozen=True)
class Answers:
    """Answers, one after another."""

    tokens: Array
    """[N] int32."""
    hidden: Array
    """[N, hidden_size] float16: what each token was sampled from."""
    lengths: Array
    """[answers] int32."""


class RecordingForward:
    """A model that keeps the hidden states that tokens of `recorded` sequences are sampled from."""

    def __init__(self, forward: NativeForward, hidden_size: int, max_rows: int) -> None:
        self._forward = forward
        self._forward.hidden = empty((max_rows, hidden_size), np.dtype(np.float32))
        self.recorded: dict[Sequence, list[Array]] = {}

    def start(self) -> None:
        self._forward.start()

    def kind(self, work: Work) -> int:
        return self._forward.kind(work)

    def __call__(self, layout: Layout) -> Computed:
        return self._forward(layout)

    def sample(self, layout: Layout, wanted: Wanted) -> Sampled:
        sampled = self._forward.sample(layout, wanted)
        assert self._forward.hidden is not None
        for row, place in zip(wanted.rows, wanted.places, strict=True):
            if row.sequence in self.recorded:
                self.recorded[row.sequence].append(self._forward.hidden[place].astype(np.float16))
        return sampled


class Conversations:
    """Draws questions and their answers, MAX_SEQUENCES at a time; each from a seed of its own."""

    def __init__(self, model: Model) -> None:
        checkpoint = open_checkpoint(model.transformer_path())
        most = min(MAX_CONTEXT_TOKENS, checkpoint.config.max_context_tokens)
        self._codec = TextCodec(checkpoint, most)
        self._codec.start()
        self._before = self._before_questions()
        num_blocks = MAX_SEQUENCES * MAX_CONTEXT_TOKENS // BLOCK_SIZE
        sizes = Sizes(model.spec.kv_cache_dtype or "float16", num_blocks, BLOCK_SIZE, 256, most)
        forward = open_native(checkpoint, sizes, num_threads=usable_cores())
        self.hidden_size = checkpoint.config.hidden_size
        self._forward = RecordingForward(forward, self.hidden_size, sizes.max_rows)
        self._runner = Runner(self._forward, BLOCK_SIZE, checkpoint.config.vocab_size)
        self._runner.start()
        self._scheduler = Scheduler(BlockPool(num_blocks, BLOCK_SIZE), MAX_SEQUENCES, sizes.max_rows)

    def draw(self, first_seed: int) -> Iterator[tuple[list[int], Array]]:
        """Yield the tokens of answers and their hidden states [tokens, hidden_size] float16, as they end, for ever."""
        seed = first_seed
        openings = [
            self._before + self._codec.encode(text, with_bos=False) if text else self._before for text in OPENINGS
        ]
        while True:
            while self._scheduler.num_running + self._scheduler.num_waiting < MAX_SEQUENCES:
                self._scheduler.add(self._sequence(openings[seed % len(openings)], QUESTIONS, seed))
                seed += 1
            batch = self._scheduler.schedule()
            for progress in self._scheduler.commit(batch, self._runner.run(batch)):
                if progress.error is not None:
                    raise progress.error
                if progress.is_last:
                    yield from self._ended(progress.sequence)

    def _ended(self, sequence: Sequence) -> Iterator[tuple[list[int], Array]]:
        hidden = self._forward.recorded.pop(sequence, None)
        if hidden is not None:
            yield sequence.output_token_ids, np.stack(hidden)
            return
        ids = sequence.token_ids[len(self._before) :]
        if question := self._codec.decode([id_ for id_ in ids if id_ not in sequence.ending_token_ids]).strip():
            seed = sequence.params.seed
            prompt = self._codec.encode_chat([("user", question)], is_plain_without=True)
            answer = self._sequence(prompt, ANSWERS[seed % len(ANSWERS)], seed)
            self._forward.recorded[answer] = []
            self._scheduler.add(answer)

    def _before_questions(self) -> list[int]:
        """Return the tokens that stand before a user's first turn."""
        if self._codec.chat_template is None:
            return self._codec.encode("\n")
        first, second = (self._codec.encode_chat([("user", text)]) for text in ("x", "y"))
        return first[: next(place for place, pair in enumerate(zip(first, second, strict=True)) if len(set(pair)) > 1)]

    def _sequence(self, prompt: list[int], params: SamplingParams, seed: int) -> Sequence:
        return Sequence(list(prompt), SamplingParams(**{**vars(params), "seed": seed}), self._codec.eos_token_ids)


def draw_answers(model: Model, num_tokens: int, folder: Path) -> None:
    """Draw answers of at least `num_tokens` tokens into files of `folder`, beside those that are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    there = sorted(folder.glob("answers-*.npz"))
    count = sum(len(np.load(path)["tokens"]) for path in there)
    conversations: Conversations | None = None
    with Progress() as progress:
        task = progress.add_task("drawing answers", total=num_tokens, completed=count)
        while count < num_tokens:
            conversations = conversations or Conversations(model)
            number = len(there)
            drawn = conversations.draw(number * 10**6)
            found = [next(drawn) for _ in range(ANSWERS_A_FILE)]
            tokens = np.concatenate([np.array(ids, np.int32) for ids, _ in found])
            there.append(folder / f"answers-{number:04d}.npz")
            lengths = np.array([len(ids) for ids, _ in found], np.int32)
            np.savez(there[-1], tokens=tokens, hidden=np.concatenate([rows for _, rows in found]), lengths=lengths)
            count += len(tokens)
            progress.update(task, completed=count)


def load_answers(folder: Path) -> Answers:
    """Return all answers that were drawn into `folder`."""
    files = [np.load(path) for path in sorted(folder.glob("answers-*.npz"))]
    return Answers(*(np.concatenate([file[name] for file in files]) for name in ("tokens", "hidden", "lengths")))

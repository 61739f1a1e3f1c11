"""The child: opens mutated models one after another under limits, and computes a step of each that opens.

`python -m tests.model_fuzz BASES FORMAT SEED FIRST STOP`; BASES is what `bases.write_bases` wrote. For each case it
prints `START index what`, then `DONE index` with `loaded`, `refused`, or `failed` and the traceback.
A case that takes more than CPU_SECONDS of processor time ends the process with SIGPROF, and one that waits for more
than WAITING_SECONDS with SIGALRM.
"""

import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from random import Random

from services.ar.codecs.text_codec import TextCodec
from services.ar.compute.native.forward import open_native
from services.ar.compute.native.parameters import Sizes
from services.ar.engine.block_pool import BlockPool
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import ModelError
from tests.model_fuzz import GGUF, gguf_mutation, huggingface_mutation

CPU_SECONDS, WAITING_SECONDS = 5.0, 60.0
MEMORY_BYTES = 1024**3
_BLOCK_SIZE, _NUM_BLOCKS, _NUM_TOKENS = 16, 2, 8


def main(bases: Path, format_: str, seed: int, cases: range) -> None:
    sources = sorted((bases / format_).iterdir())
    for source in sources:  # what a first use imports and keeps is no mutation's
        _load_and_step(source)
    _limit_memory()
    with tempfile.TemporaryDirectory() as folder:
        for index in cases:
            random = Random(f"{seed}:{index}")
            source = random.choice(sources)
            target = Path(folder) / source.name
            mutate = gguf_mutation.mutate if format_ == GGUF else huggingface_mutation.mutate
            _say(f"START {index} {mutate(source, target, random)}")
            _limit_time(CPU_SECONDS, WAITING_SECONDS)
            outcome = _outcome(target)
            _limit_time(0, 0)
            _say(f"DONE {index} {outcome}")


def _outcome(path: Path) -> str:
    try:
        _load_and_step(path)
    except ModelError:
        return "refused"
    except BaseException:
        return f"failed {traceback.format_exc()!r}"
    return "loaded"


def _load_and_step(path: Path) -> None:
    checkpoint = open_checkpoint(path)
    vocab_size = checkpoint.config.vocab_size
    num_tokens = min(_NUM_TOKENS, checkpoint.config.max_context_tokens - 1)
    codec = TextCodec(checkpoint, num_tokens + 1)
    codec.start()
    codec.encode("a")
    forward = open_native(checkpoint, Sizes("float16", _NUM_BLOCKS, _BLOCK_SIZE, _NUM_TOKENS, num_tokens + 1))
    forward.start()
    scheduler = Scheduler(BlockPool(_NUM_BLOCKS, _BLOCK_SIZE), 1, _NUM_TOKENS)
    token_ids = [(vocab_size - 1 - index) % vocab_size for index in range(num_tokens)]
    scheduler.add(Sequence(token_ids, SamplingParams(max_tokens=1)))
    forward(Layout(scheduler.schedule(), _BLOCK_SIZE))


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(cpu_seconds: float, seconds: float) -> None:
    """Have the process end after so much time from now on; 0 for no limit."""
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _say(line: str) -> None:
    print(line.encode("ascii", "backslashreplace").decode().replace("\n", " "), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), range(int(sys.argv[4]), int(sys.argv[5])))

"""llama.cpp's logits along texts, by its Python package, built for this very CPU in an environment of its own.

    python benchmarks/parity/llama_logits.py model.gguf TEXTS.json LOGITS.npy THREADS

That is what the environment's interpreter runs. TEXTS: a list of [token ids, place of the first judged token]; the
logits [all judged tokens, vocabulary] that judge them are written as float32.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

CMAKE_FLAGS = "-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF -DLLAMA_BUILD_COMMON=OFF -DLLAMA_OPENSSL=OFF"


def main(arguments: Sequence[str]) -> None:
    import llama_cpp  # of the environment alone

    model, texts, target, num_threads = arguments
    wanted = [(ids, int(first)) for ids, first in json.loads(Path(texts).read_text())]
    longest = max(len(ids) for ids, _ in wanted)
    threads = int(num_threads)
    engine = llama_cpp.Llama(
        model,
        n_ctx=longest,
        n_batch=longest,
        n_threads=threads,
        n_threads_batch=threads,
        logits_all=True,
        verbose=False,
    )
    parts = []
    for ids, first in wanted:
        engine.reset()
        engine.eval(ids[:-1])
        parts.append(engine.scores[first - 1 : len(ids) - 1].astype(np.float32))
    np.save(target, np.concatenate(parts))


if __name__ == "__main__":
    main(sys.argv[1:])

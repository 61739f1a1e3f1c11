"""The instruction sets whose kernels the tests load; `python -m tests.kernels` compiles these in advance.

`make test` does so before the tests, in which each worker that misses one would compile it.
"""

from concurrent.futures import ThreadPoolExecutor

from runtime.settings import cache_folder
from services.ar.compute.native.build import LEVELS, best_level, kernel_recipe

USABLE_LEVELS = LEVELS[LEVELS.index(best_level()) :]
"""Those that this processor has, the best first."""

if __name__ == "__main__":
    with ThreadPoolExecutor() as compilers:  # each waits for a process, which takes a minute on one core
        for path in compilers.map(lambda level: kernel_recipe(level).kept(cache_folder() / "kernels"), USABLE_LEVELS):
            print(path)

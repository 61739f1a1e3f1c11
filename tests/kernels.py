"""The instruction sets whose kernels the tests load; `python -m tests.kernels` compiles these in advance.

`make test` does so on the core that mypy leaves free: in the tests, each worker that misses one would compile it.
"""

from runtime.settings import cache_folder
from services.ar.compute.native.build import LEVELS, best_level, kernel_recipe

USABLE_LEVELS = LEVELS[LEVELS.index(best_level()) :]
"""Those that this processor has, the best first."""

if __name__ == "__main__":
    for level in USABLE_LEVELS:
        print(kernel_recipe(level).kept(cache_folder() / "kernels"))

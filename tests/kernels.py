"""The instruction sets whose kernels the tests load.

`python -m tests.kernels` compiles these and the other libraries of Tandem's processes. `make test` does so before the
tests, in which each process that misses one would compile it. Where Triton is installed, it compiles the GPU's kernels,
too, says what they take, and ends with 1 if that is more than they may take.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

from gateway.proxy.native.build import AFFINITY, CLOCK, SHARES
from runtime.http2.build import http2_recipe
from services.ar.compute.native.build import kernel_recipe, usable_levels
from services.gan.native.build import gan_recipe
from tandem.measure.generator.native.build import sender_recipe
from tandem.shared.cache_folder import cache_folder

USABLE_LEVELS = usable_levels()
"""Those that this processor has, the best first."""

if __name__ == "__main__":
    ours = (http2_recipe(), sender_recipe(), gan_recipe(), CLOCK, SHARES, AFFINITY)
    recipes = [*map(kernel_recipe, USABLE_LEVELS), *ours]
    with ThreadPoolExecutor(os.cpu_count()) as compilers:  # a thread only waits for its compiler
        for path in compilers.map(lambda recipe: recipe.find_or_compile(cache_folder() / "kernels"), recipes):
            print(path)
    if find_spec("triton") is None:
        print("the GPU's kernels are not compiled: Triton is not installed")
    else:
        from tests.triton_kernels import ARCHITECTURES, check  # it imports torch

        if over := [line for arch in ARCHITECTURES for line in check(arch, print)]:
            raise SystemExit("\n".join(over))

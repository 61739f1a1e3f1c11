"""How many threads torch computes with."""

import torch


def leave_cores_to_the_engine() -> None:
    """Have torch compute in the calling thread alone."""
    # Arithmetic threads here, beside those of the engine's thread, would be more than there are cores. OpenMP then
    # sleeps between operations instead of spinning, which costs a decode step 20 ms (measured on 2 cores).
    torch.set_num_threads(1)

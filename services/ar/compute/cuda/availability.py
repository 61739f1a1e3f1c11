"""Whether the kernels can run on a device. Imports Triton only when asked: a CPU has no use for it."""

import torch


def what_is_missing(device: torch.device) -> str | None:
    """Return what keeps the kernels from running on `device`, None if nothing does."""
    try:
        from services.ar.compute.cuda.opening import check_kernels

        check_kernels(device)
    # No Triton, no C compiler for its launchers, a card or driver that it does not know: it has no one error for them.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None

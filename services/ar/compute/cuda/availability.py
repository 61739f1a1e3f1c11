"""Whether there is a device, and whether the kernels can run on it. Imports Triton only when asked."""

import torch


def has_device() -> bool:
    """Return whether torch finds a CUDA device."""
    return torch.cuda.is_available()


def what_is_missing(device: torch.device) -> str | None:
    """Return what keeps the kernels from running on `device`, None if nothing does."""
    try:
        from services.ar.compute.cuda.opening import check_kernels

        check_kernels(device)
    # No Triton, no C compiler for its launchers, a card or driver that it does not know: it has no one error for them.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None

"""Where Triton's kernels can be tested: on a card, else in its interpreter, which is slow and knows no bfloat16."""

import importlib.util
import os

import pytest
import torch

HAS_CARD = torch.cuda.is_available()
_IS_INTERPRETED = not HAS_CARD and os.environ.get("TRITON_INTERPRET") == "1"
_HAS_TRITON = importlib.util.find_spec("triton") is not None

DEVICE = torch.device("cuda" if HAS_CARD else "cpu")
DTYPES = [torch.float32, torch.float16, *([torch.bfloat16] if HAS_CARD else [])]

needs_triton = pytest.mark.skipif(
    not (_HAS_TRITON and (HAS_CARD or _IS_INTERPRETED)),
    reason="needs Triton (691 MB) with a CUDA device or its interpreter: pip install triton; TRITON_INTERPRET=1",
)
needs_card = pytest.mark.skipif(not HAS_CARD, reason="no CUDA device")

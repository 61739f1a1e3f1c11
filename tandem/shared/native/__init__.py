"""C++ that several libraries include."""

from pathlib import Path

HEADERS = Path(__file__).parent

"""The three real processes: a tiny random transformer and the committed GAN behind the gateway."""

from collections.abc import Iterator

import pytest

from tests.e2e.stacks import Stack, running_stack
from tests.tiny_models import add_to_repository


@pytest.fixture(scope="session")
def stack(tmp_path_factory) -> Iterator[Stack]:
    models_dir = tmp_path_factory.mktemp("models")
    add_to_repository(models_dir)
    flags = ("--models", "tiny", "--models-dir", str(models_dir), "--max-context-tokens", "512")
    with running_stack(ar=flags) as stack:
        yield stack

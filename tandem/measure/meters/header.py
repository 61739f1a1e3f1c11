"""The header of a document that is written here and now."""

import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tandem.measure.meters.machine import this_machine
from tandem.measure.results.audits import Audits
from tandem.measure.results.header import ServedModel
from tandem.shared.loopback import is_local
from tandem.version import VERSION


def header_of(
    address: str,
    models: Sequence[ServedModel],
    started_at: datetime,
    audits: Audits,
    problems: Sequence[str] = (),
    is_partial: bool = False,
) -> dict[str, Any]:
    """Return the fields of tandem.measure.results.header.Header."""
    return {
        "tool_version": VERSION,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "address": address,
        "is_local": is_local(address),
        "started_at": started_at,
        "machine": this_machine(),
        "models": tuple(models),
        "is_partial": is_partial,
        "problems": tuple(problems),
        "audits": audits,
    }

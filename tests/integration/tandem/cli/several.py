"""Runs several `tandem` commands in this process, one after another: a start takes longer than a refusal.

Reads a JSON list of the commands' words; writes a JSON list of [exit code, output, errors], each as a process has it.
"""

from __future__ import annotations

import json
import os
import sys
from tempfile import TemporaryFile

from tandem.cli.main import app


def ended(words: list[str]) -> tuple[object, str, str]:
    with TemporaryFile() as out, TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            app(words, prog_name="tandem")
        except SystemExit as end:
            code = end.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
        out.seek(0)
        err.seek(0)
        return code, out.read().decode(), err.read().decode()


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "w") as output:
        json.dump([ended(words) for words in json.load(sys.stdin)], output)

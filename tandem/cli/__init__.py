"""The `tandem` command: one file a command, and what several of them share. On top; imported by nothing."""

import os

# Commands say in a line of their own why a connection failed; grpc's core would write its own view of it beside that.
# It reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

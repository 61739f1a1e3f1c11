"""The `tandem` command: one file a command, and what several of them share. On top; imported by nothing."""

"""The life of a process: start and stop, signals, children, logs."""

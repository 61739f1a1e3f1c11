"""Whether a load tester tells the truth, by servers whose latencies are known."""

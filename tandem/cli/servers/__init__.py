"""Commands that run servers, or make what they need: `up`, `demo`, `gateway`, `keys`."""

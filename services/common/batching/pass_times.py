"""How long a model's passes take, by their size; learned from those that ran. Plain numbers."""

_WEIGHT = 0.2  # of the last pass in the mean of its size


class PassTimes:
    """Sizes are told apart by powers of two, as a pass of two samples may take as long as one of one, or twice as long.

    Nothing is taken for granted of a size that was not seen: it is thought to take as long as the nearest smaller one.
    So a burst after a quiet time, when all passes were small, is not thought to take longer than it does.
    """

    def __init__(self) -> None:
        self._means: dict[int, float] = {}  # by the number of bits of the size

    def observe(self, batch_size: int, seconds: float) -> None:
        size = batch_size.bit_length()
        mean = self._means.get(size, seconds)
        self._means[size] = mean + _WEIGHT * (seconds - mean)

    def pass_seconds(self, batch_size: int) -> float:
        """Return what a pass of so many samples takes, 0 before there was any."""
        if not self._means:
            return 0.0
        size = batch_size.bit_length()
        known = max((each for each in self._means if each <= size), default=min(self._means))
        return self._means[known]

    def single_seconds(self) -> float:
        """Return what a pass of one sample takes, 0 before there was one.

        It takes no longer than a pass of more. Their times count as well, since single passes may not run again for
        long.
        """
        return min(self._means.values()) if 1 in self._means else 0.0

    def work_seconds(self, num_samples: float, max_batch_size: int, num_instances: int) -> float:
        """Return how long `num_instances` that run beside each other take for samples that wait, in batches."""
        if num_samples <= 0:
            return 0.0
        batch_size = max(1, min(max_batch_size, int(num_samples)))
        return num_samples / batch_size * self.pass_seconds(batch_size) / num_instances

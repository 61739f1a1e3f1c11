from prometheus_client import CollectorRegistry

from services.gan.metrics import BatcherMetrics, GanMetrics


def test_counters_of_a_network_are_there_before_its_first_request():
    registry = CollectorRegistry()
    BatcherMetrics(GanMetrics(registry), "m", "generator")
    labels = {"model": "m", "network": "generator"}
    for outcome in ("finished", "cancelled", "failed"):
        assert registry.get_sample_value("tandem_images_total", {**labels, "outcome": outcome}) == 0
    assert registry.get_sample_value("tandem_pass_seconds_count", labels) == 0


def test_every_pass_is_timed_but_only_generating_makes_batch_sizes():
    registry = CollectorRegistry()
    metrics = GanMetrics(registry)
    for network, size in (("generator", 8), ("discriminator", 2)):
        BatcherMetrics(metrics, "m", network).passed(size, 0.25)
        labels = {"model": "m", "network": network}
        assert registry.get_sample_value("tandem_pass_seconds_sum", labels) == 0.25
    batches = {"paradigm": "parallel", "model": "m"}
    assert registry.get_sample_value("tandem_batch_size_sum", batches) == 8
    assert registry.get_sample_value("tandem_batch_size_count", batches) == 1

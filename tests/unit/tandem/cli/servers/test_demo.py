"""What the demo shows of /metrics."""

from tandem.cli.servers.demo import NUM_METRIC_LINES, metric_lines


def test_counts_and_sums_but_no_buckets() -> None:
    lines = [
        "# HELP tandem_outputs_total x",
        'tandem_outputs_total{unit="token"} 5.0',
        'tandem_outputs_created{unit="token"} 1.0',
        'gen_ai_server_time_to_first_token_seconds_bucket{le="1"} 5.0',
        "gen_ai_server_time_to_first_token_seconds_sum 5.0",
        "process_cpu_seconds_total 9.0",
    ]
    assert metric_lines(lines) == [lines[1], lines[4]]
    assert len(metric_lines(lines * 20)) == NUM_METRIC_LINES

"""The parallel backend from the inside: batches, waiting, passes, and the variety of what comes out."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.layout import dashboard, some_models
from deploy.grafana.panels import IMAGES, NUMBER, SECONDS, Panel, lines
from deploy.grafana.queries import DURATION, FINISHED, PHASES, Query, mean, quantile, quantiles, rate, total

MODEL = 'model=~"$model"'
OURS = f'paradigm="parallel",{MODEL}'
NETWORK = f'job="gan",{MODEL}'
OF_MODEL = "{{model}}"
OF_NETWORK = "{{model}} {{network}}"


def parallel() -> Dashboard:
    return dashboard(
        "tandem-parallel",
        "Tandem: parallel",
        "The generator that draws a batch of images in one pass: what its callers see, and why.",
        [some_models("tandem_images_queued")],
        {"What callers see": _callers(), "The batches": _batches(), "The variety": _diversity()},
    )


def _phase(phase: str) -> list[Query]:
    return quantiles(PHASES, "model", f'{OURS},phase="{phase}"', OF_MODEL)


def _callers() -> list[Panel]:
    images = rate("tandem_outputs_total", "model", f'{OURS},unit="image"')
    return [
        lines(
            "Latency",
            "Whole requests that ended well. It grows with the number of images asked for.",
            SECONDS,
            quantiles(DURATION, "model", f"{OURS},{FINISHED}", OF_MODEL),
            log=True,
        ),
        lines(
            "Images a second",
            "Images forwarded to callers; the gateway counts a request's when it ends.",
            IMAGES,
            [Query(images, OF_MODEL)],
        ),
        lines(
            "Queue",
            "Until the first of a request's images was taken into a batch.",
            SECONDS,
            _phase("queue"),
            log=True,
        ),
        lines(
            "Wait in the batch",
            "From there on, what a request waited with no image of its own in a pass: on its other images' turn, and on"
            " the results.",
            SECONDS,
            _phase("batch_wait"),
            log=True,
        ),
    ]


def _batches() -> list[Panel]:
    return [
        lines(
            "Batch",
            "Images a pass: the mean, and quantiles from buckets of powers of two.",
            NUMBER,
            [
                Query(mean("tandem_batch_size", "model", OURS), "{{model}} mean"),
                Query(quantile(0.5, "tandem_batch_size", "model", OURS), "{{model}} p50"),
                Query(quantile(0.99, "tandem_batch_size", "model", OURS), "{{model}} p99"),
            ],
        ),
        lines("Compute", "Seconds that a request's images were in passes.", SECONDS, _phase("compute"), log=True),
        lines(
            "Pass time",
            "Seconds of one pass of a network, whatever the batch. The discriminator judges images, on request.",
            SECONDS,
            quantiles("tandem_pass_seconds", "model, network", f'{NETWORK},network="generator"', OF_NETWORK),
            log=True,
        ),
        lines(
            "Instances at work",
            "Copies of a network that computed, mean of all replicas. As many as --num-instances: the generator is the"
            " limit.",
            NUMBER,
            [Query(f"avg by (model, network) (rate(tandem_pass_seconds_sum{{{NETWORK}}}[$window]))", OF_NETWORK)],
        ),
        lines(
            "Waiting",
            "Images that wait for a pass, and requests that wait or run.",
            NUMBER,
            [
                Query(total("tandem_images_queued", "model, network", NETWORK), "{{model}} {{network}} images"),
                Query(total("tandem_batcher_requests", "model, network", NETWORK), "{{model}} {{network}} requests"),
            ],
        ),
        lines(
            "Images ended",
            "By how their request ended, a second: finished, cancelled by its caller, or failed.",
            IMAGES,
            [
                Query(
                    rate("tandem_images_total", "model, network, outcome", NETWORK), "{{model}} {{network}} {{outcome}}"
                )
            ],
        ),
    ]


def _diversity() -> list[Panel]:
    by_class = "{{model}} {{class}}"
    return [
        lines(
            "Variance by class",
            "How much the last window of images varied, next to the released model's: 1 is as released, low means that"
            " images grow alike. A class has its window when enough of it was served.",
            NUMBER,
            [Query(f"min by (model, class) (tandem_diversity_variance_ratio{{{NETWORK}}})", by_class)],
        ),
        lines(
            "Closest pair by class",
            "How far apart the closest two images of a window were, next to the released model's: near 0 the same"
            " images come again and again.",
            NUMBER,
            [Query(f"min by (model, class) (tandem_diversity_nearest_ratio{{{NETWORK}}})", by_class)],
        ),
        lines(
            "Diversity alarms",
            "Windows that were poor after a poor one, in the last quarter of an hour. Any is worth a look.",
            NUMBER,
            [
                Query(
                    f"sum by (model, kind) (increase(tandem_diversity_alarms_total{{{NETWORK}}}[15m]))",
                    "{{model}} {{kind}}",
                )
            ],
        ),
        lines(
            "Images watched",
            "Served images that were looked at, a second; dropped are those that the watch had no time for.",
            IMAGES,
            [Query(rate("tandem_diversity_images_total", "model, outcome", NETWORK), "{{model}} {{outcome}}")],
        ),
    ]

"""Tradeoff: both paradigms side by side, drawing the same thing."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.layout import dashboard, one_model
from deploy.grafana.panels import (
    IMAGES,
    NUMBER,
    SECONDS,
    SHARE,
    TOKENS,
    Panel,
    against,
    buckets,
    lines,
    numbers,
    stacked_phases,
)
from deploy.grafana.queries import (
    DURATION,
    FINISHED,
    FIRST_OUTPUT,
    OUTPUT_RPCS,
    PHASES,
    Query,
    mean,
    phase_means,
    quantile,
    quantiles,
    rate,
    share_of,
    total,
)

CHOSEN = {
    "sequential": 'paradigm="sequential",model="$sequential"',
    "parallel": 'paradigm="parallel",model="$parallel"',
}
BOTH = 'model=~"$sequential|$parallel"'
OF_IMAGES = 'unit="image"'
OF_REQUESTS = " Of whole requests as the gateway sees them; one that asks for many images takes longer."
AT_THE_END = " The gateway counts a request's outputs when it ends."


def tradeoff() -> Dashboard:
    return dashboard(
        "tandem-tradeoff",
        "Tandem: tradeoff",
        "What generating in sequence costs and brings, compared with generating in one pass.",
        [
            one_model("sequential", "in sequence", 'tandem_requests_total{paradigm="sequential"}', "fashion-ar"),
            one_model("parallel", "in parallel", 'tandem_requests_total{paradigm="parallel"}', "fashion-gan"),
        ],
        {
            "At a glance": _glance(),
            "What a request waits": _latency(),
            "Throughput": _throughput(),
            "Latency against throughput": _curves(),
            "Where the time goes": [_phases(paradigm) for paradigm in CHOSEN],
            "Quality and objectives": _quality(),
        },
    )


def _images(match: str) -> str:
    return rate("tandem_outputs_total", "paradigm", f"{match},{OF_IMAGES}")


def _glance() -> list[Panel]:
    finished = f"{BOTH},{FINISHED}"
    an_image = share_of(_images(BOTH), rate("tandem_requests_total", "paradigm", finished))
    firing = 'count(ALERTS{alertname=~"Tandem.+",alertstate="firing"}) or vector(0)'
    return [
        numbers(
            "Images a second",
            "Images finished a second: the unit in which the paradigms match.",
            IMAGES,
            [Query(_images(BOTH), "{{paradigm}}")],
        ),
        numbers(
            "Latency, p50",
            "Half of the requests took longer." + OF_REQUESTS,
            SECONDS,
            [Query(quantile(0.5, DURATION, "paradigm", finished), "{{paradigm}}")],
        ),
        numbers(
            "Latency, p99",
            "One request in a hundred took longer." + OF_REQUESTS,
            SECONDS,
            [Query(quantile(0.99, DURATION, "paradigm", finished), "{{paradigm}}")],
        ),
        numbers(
            "First output, p50",
            "Until the first token, or the first image, was there.",
            SECONDS,
            [Query(quantile(0.5, FIRST_OUTPUT, "paradigm", BOTH), "{{paradigm}}")],
        ),
        numbers(
            "Images a request",
            "The latencies compare equal work only where this is the same for both.",
            NUMBER,
            [Query(an_image, "{{paradigm}}")],
        ),
        numbers("Alerts", "Alerts of Tandem that fire now, of whatever model.", NUMBER, [Query(firing, "firing")]),
    ]


def _latency() -> list[Panel]:
    panels: list[Panel] = [
        lines(
            "Latency",
            "From the request's receipt to its end, of requests that ended well." + OF_REQUESTS,
            SECONDS,
            quantiles(DURATION, "paradigm", f"{BOTH},{FINISHED}", "{{paradigm}}"),
            log=True,
        ),
        lines(
            "Time to first output",
            "From the request's receipt to the first message with a token or an image. A pass has nothing to show"
            " before it is done.",
            SECONDS,
            quantiles(FIRST_OUTPUT, "paradigm", BOTH, "{{paradigm}}"),
            log=True,
        ),
    ]
    for paradigm, match in CHOSEN.items():
        query = Query(rate(f"{DURATION}_bucket", "le", f"{match},{FINISHED}"), "{{le}}")
        text = "Requests a second by latency. Both paradigms have the same buckets, a tenth apart."
        panels.append(buckets(f"Latencies, {paradigm}", text, query))
    return panels


def _throughput() -> list[Panel]:
    return [
        lines(
            "Images a second",
            "Images finished a second, of either paradigm." + AT_THE_END,
            IMAGES,
            [Query(_images(BOTH), "{{paradigm}}")],
        ),
        lines(
            "In flight",
            "Requests that are with a backend, of all models of a paradigm.",
            NUMBER,
            [Query(total("tandem_requests_in_flight", "paradigm"), "{{paradigm}}")],
        ),
        lines(
            "Tokens a second",
            "Tokens of every sequential model; those of image models are what images are made of." + AT_THE_END,
            TOKENS,
            [Query(rate("tandem_outputs_total", "model", 'unit="token"'), "{{model}}")],
        ),
        lines(
            "Batch",
            "Mean size of what was computed together: sequences a step, images a pass.",
            NUMBER,
            [Query(mean("tandem_batch_size", "paradigm", BOTH), "{{paradigm}}")],
        ),
    ]


def _curves() -> list[Panel]:
    def cloud(share: float) -> Panel:
        x = {p: Query(_images(match), f"{p} images/s") for p, match in CHOSEN.items()}
        y = {
            p: Query(quantile(share, DURATION, "paradigm", f"{match},{FINISHED}"), f"{p} latency")
            for p, match in CHOSEN.items()
        }
        name = f"p{100 * share:.0f}"
        text = (
            "One point a moment of the time range. Raise the load and the points run along each paradigm's curve: flat"
            " while there is capacity, then up."
        )
        return against(
            f"Latency {name} against images a second", text, x=x, y=y, x_label="images/s", y_label=f"latency {name}"
        )

    return [cloud(0.5), cloud(0.99)]


def _phases(paradigm: str) -> Panel:
    match = CHOSEN[paradigm]
    ended = f'{match},code="OK",rpc!="ListModels"'
    whole = f"sum (rate({DURATION}_sum{{{ended}}}[$window])) / (sum (rate({DURATION}_count{{{ended}}}[$window])) > 0)"
    return stacked_phases(
        f"Mean request, {paradigm}",
        "Mean seconds of a request by phase. The phases add up to the mean latency, the dashed line. `queue` includes"
        " the wait for the backend's event loop, `backend_other` is what the backend did outside its phases, `residual`"
        " the network and the client. The two panels have scales of their own.",
        Query(phase_means(PHASES, match), "{{phase}}"),
        Query(whole, "mean latency"),
    )


def _quality() -> list[Panel]:
    def ratio(metric: str) -> list[Query]:
        return [Query(f'min (tandem_diversity_{metric}_ratio{{model="${p}",class="all"}})', p) for p in CHOSEN]

    errors = share_of(
        rate("tandem_requests_without_output_total", "paradigm", BOTH)
        + f" or 0 * {rate('tandem_requests_total', 'paradigm', f'{BOTH},{OUTPUT_RPCS}')}",
        rate("tandem_requests_total", "paradigm", f"{BOTH},{OUTPUT_RPCS}"),
    )
    return [
        lines(
            "Diversity: variance",
            "How much the last window of served images varied, next to the released model's: 1 is as released, low"
            " means that images grow alike.",
            NUMBER,
            ratio("variance"),
        ),
        lines(
            "Diversity: closest pair",
            "How far apart the closest two images of a window were, next to the released model's: near 0 the same"
            " images come again and again.",
            NUMBER,
            ratio("nearest"),
        ),
        lines(
            "Requests without output",
            "Share of requests for output that ended before the first one, for whatever reason; no latency has them.",
            SHARE,
            [Query(f"({errors})", "{{paradigm}}")],
        ),
        lines(
            "Error budgets",
            "How many times faster than allowed a budget is spent, over an hour, all models together: at 1 it lasts"
            " just as long as it should. `answered`: 99.5 % end well; `first_output`: 99 % within 1 s.",
            NUMBER,
            [Query('max by (paradigm, slo) (tandem:slo:burn_rate{window="1h"})', "{{paradigm}} {{slo}}")],
        ),
    ]

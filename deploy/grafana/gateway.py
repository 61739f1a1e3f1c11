"""The gateway: what it adds, what it refuses, and whether its backends are there."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.layout import dashboard, some_models
from deploy.grafana.panels import BYTES, ENTRIES, NUMBER, REQUESTS, SECONDS, SHARE, Panel, lines, states
from deploy.grafana.queries import DURATION, PHASES, Query, quantiles, rate, share_of, total

MODEL = 'model=~"$model"'
JOBS = {"gateway": "gateway", "sequential backend": "ar", "parallel backend": "gan"}


def gateway() -> Dashboard:
    return dashboard(
        "tandem-gateway",
        "Tandem: gateway",
        "The entry point: its own cost, its refusals, and the state of the backends.",
        [some_models("tandem_requests_total")],
        {
            "Requests": _requests(),
            "What it costs": _overhead(),
            "What goes wrong": _failures(),
            "The processes": _processes(),
        },
    )


def _requests() -> list[Panel]:
    by_code = [
        lines(
            f"Requests, {paradigm}",
            "Requests that ended, a second, by rpc and code.",
            REQUESTS,
            [Query(rate("tandem_requests_total", "rpc, code", f'paradigm="{paradigm}",{MODEL}'), "{{rpc}} {{code}}")],
        )
        for paradigm in ("sequential", "parallel")
    ]
    in_flight = Query(total("tandem_requests_in_flight", "paradigm"), "{{paradigm}}")
    at_replica = Query(total("tandem_replica_requests_in_flight", "paradigm, target"), "{{paradigm}} {{target}}")
    return [
        *by_code,
        lines("In flight", "Requests that are with a backend, of all models.", NUMBER, [in_flight]),
        lines("In flight by replica", "Requests that each replica of a backend has in hand.", NUMBER, [at_replica]),
    ]


def _overhead() -> list[Panel]:
    finished = f'{MODEL},code="OK",rpc!="ListModels"'
    whole = rate(f"{DURATION}_sum", "paradigm", finished)

    def share(phase: str) -> Query:
        part = rate(f"{PHASES}_sum", "paradigm", f'{MODEL},phase="{phase}"')
        return Query(share_of(part, whole), "{{paradigm}}")

    return [
        lines(
            "Overhead",
            "The proxy's own share of a finished request, of all models: from the request's last byte to the first byte"
            " sent to a backend, and from the backend's last byte to the last byte sent to the client.",
            SECONDS,
            quantiles("tandem_gateway_overhead_seconds", "paradigm", "", "{{paradigm}}"),
            log=True,
        ),
        lines("Overhead's share", "The same, of all the time that requests took.", SHARE, [share("gateway")]),
        lines(
            "Residual's share",
            "Time that neither the proxy nor the backend accounts for: the network between them, the client's upload of"
            " its request, a client that reads slowly.",
            SHARE,
            [share("residual")],
        ),
        lines(
            "Latency by transport",
            "Medians of requests that ended well, by the API that they came through.",
            SECONDS,
            quantiles(DURATION, "paradigm, transport", finished, "{{paradigm}} {{transport}}")[:1],
            log=True,
        ),
    ]


def _failures() -> list[Panel]:
    without = rate("tandem_requests_without_output_total", "paradigm, code", MODEL)
    return [
        lines(
            "Shed",
            "Requests refused as too many, a second: gateway_full is the gateway's own limit of requests in flight,"
            " backend_full a backend whose queue is full, or too long for the request's deadline.",
            REQUESTS,
            [Query(rate("tandem_requests_shed_total", "paradigm, reason"), "{{paradigm}} {{reason}}")],
        ),
        lines(
            "Retries",
            "Calls that were sent to another replica because the first one failed before the first byte of its reply.",
            REQUESTS,
            [Query(rate("tandem_retries_total", "paradigm"), "{{paradigm}}")],
        ),
        lines(
            "Without output",
            "Requests for output that ended before the first one, a second, by code; a line without a code says none.",
            REQUESTS,
            [
                Query(
                    f"{without} or on (paradigm) 0 * {rate('tandem_requests_total', 'paradigm', MODEL)}",
                    "{{paradigm}} {{code}}",
                )
            ],
        ),
        lines(
            "Errors",
            "Share of requests, of all models, that failed for reasons of ours in the last 5 minutes; what was shed is"
            " not in it.",
            SHARE,
            [Query("max by (paradigm) (tandem:errors:ratio5m)", "{{paradigm}}")],
        ),
        lines(
            "Not counted",
            "Requests, a second, that no other figure contains, because the gateway did not read the proxy's log in"
            " time.",
            ENTRIES,
            [Query("sum (rate(tandem_log_entries_dropped_total[$window]))", "log entries")],
        ),
    ]


def _processes() -> list[Panel]:
    serving = Query("min by (paradigm, target) (tandem_replica_serving)", "{{paradigm}} {{target}}")
    scraped = Query('min by (job, instance) (up{job=~"gateway|ar|gan"})', "{{job}} {{instance}}")
    processes = [("process", job, name) for name, job in JOBS.items()]
    processes.append(("envoy_process", "gateway", "gateway's Envoy"))
    cpu = [
        Query(f'sum (rate({each}_cpu_seconds_total{{job="{job}"}}[$window]))', name) for each, job, name in processes
    ]
    memory = [Query(f'sum ({each}_resident_memory_bytes{{job="{job}"}})', name) for each, job, name in processes]
    return [
        states("Replicas", "Whether the gateway may send requests there.", serving, yes="serving", no="not serving"),
        states("Metrics", "Whether Prometheus gets an answer from each process.", scraped, yes="up", no="down"),
        lines("CPU", "Cores in use by each kind of process, all its models and replicas together.", NUMBER, cpu),
        lines("Memory", "Resident memory of each kind of process.", BYTES, memory),
    ]

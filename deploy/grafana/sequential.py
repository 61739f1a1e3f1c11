"""The sequential backend from the inside: engine, KV cache, tokens."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.layout import dashboard, some_models
from deploy.grafana.panels import NUMBER, SECONDS, SEQUENCES, SHARE, TOKENS, Panel, lines
from deploy.grafana.queries import DURATION, FINISHED, PHASES, Query, mean, quantile, quantiles, rate, total

MODEL = 'model=~"$model"'
OURS = f'paradigm="sequential",{MODEL}'
OF_MODEL = "{{model}}"


def sequential() -> Dashboard:
    return dashboard(
        "tandem-sequential",
        "Tandem: sequential",
        "The engine that generates one token after another: what its callers see, and why.",
        [some_models("tandem_kv_blocks")],
        {"What callers see": _callers(), "The queue and the cache": _queue(), "The engine": _engine()},
    )


def _callers() -> list[Panel]:
    return [
        lines(
            "Time to first token",
            "From the request's receipt at the gateway to the first message with a token; queue and prefill included.",
            SECONDS,
            quantiles("gen_ai_server_time_to_first_token_seconds", "model", OURS, OF_MODEL),
            log=True,
        ),
        lines(
            "Token gap",
            "Mean seconds between tokens of a finished stream, from its first message on; quantiles are over streams,"
            " not over tokens.",
            SECONDS,
            quantiles("gen_ai_server_time_per_output_token_seconds", "model", OURS, OF_MODEL),
            log=True,
        ),
        lines(
            "Latency",
            "Whole requests that ended well. It grows with the number of tokens asked for.",
            SECONDS,
            quantiles(DURATION, "model", f"{OURS},{FINISHED}", OF_MODEL),
            log=True,
        ),
        lines(
            "Phases, p99",
            "The slowest requests' time in the queue, until the first token (prefill), and from there to the last"
            " (decode).",
            SECONDS,
            [
                Query(
                    quantile(0.99, PHASES, "model, phase", f'{OURS},phase=~"queue|prefill|decode"'),
                    "{{model}} {{phase}}",
                )
            ],
            log=True,
        ),
    ]


def _queue() -> list[Panel]:
    used = f"{total('tandem_kv_blocks_used', 'model', MODEL)} / {total('tandem_kv_blocks', 'model', MODEL)}"
    return [
        lines(
            "Sequences",
            "In the batch, and waiting for a place in it.",
            NUMBER,
            [
                Query(total("tandem_sequences_running", "model", MODEL), "{{model}} running"),
                Query(total("tandem_sequences_waiting", "model", MODEL), "{{model}} waiting"),
            ],
        ),
        lines("KV cache in use", "Share of the cache's blocks that sequences hold.", SHARE, [Query(used, OF_MODEL)]),
        lines(
            "Preemptions",
            "Sequences sent back to the queue because no blocks were free, a second; their tokens are computed again.",
            SEQUENCES,
            [Query(rate("tandem_preemptions_total", "model", MODEL), OF_MODEL)],
        ),
        lines(
            "Prompt tokens found in the cache",
            "Share of the tokens of prompts that another sequence had computed before, so that prefill skips them.",
            SHARE,
            [
                Query(
                    f"{rate('tandem_prompt_cached_tokens_total', 'model', MODEL)}"
                    f" / {rate('tandem_prompt_tokens_total', 'model', MODEL)}",
                    OF_MODEL,
                )
            ],
        ),
        lines(
            "Sequences ended",
            "By how they ended, a second: finished, cancelled by their caller, or failed.",
            SEQUENCES,
            [Query(rate("tandem_sequences_total", "model, outcome", MODEL), "{{model}} {{outcome}}")],
        ),
    ]


def _engine() -> list[Panel]:
    return [
        lines(
            "Step time",
            "Seconds of one step of the engine: every running sequence gets a token, or a piece of its prompt is read.",
            SECONDS,
            quantiles("tandem_step_seconds", "model", MODEL, OF_MODEL),
            log=True,
        ),
        lines(
            "Batch",
            "Sequences a step: the mean, and the 99th percentile from buckets of powers of two.",
            NUMBER,
            [
                Query(mean("tandem_batch_size", "model", OURS), "{{model}} mean"),
                Query(quantile(0.99, "tandem_batch_size", "model", OURS), "{{model}} p99"),
            ],
        ),
        lines(
            "Tokens computed",
            "Tokens that went through the model a second: one of a sequence and what it tries ahead (decode) or several"
            " (prefill, and what a preemption made to be computed again).",
            TOKENS,
            [Query(rate("tandem_computed_tokens_total", "model, kind", MODEL), "{{model}} {{kind}}")],
        ),
        lines(
            "Drafted tokens",
            "Draft tokens a second, and those of them that were accepted; 0 without"
            " --speculative-tokens or, for images, MASK rows.",
            TOKENS,
            [
                Query(rate("tandem_drafted_tokens_total", "model", MODEL), "{{model}} tried"),
                Query(rate("tandem_drafted_accepted_tokens_total", "model", MODEL), "{{model}} held"),
            ],
        ),
        lines(
            "Engine busy",
            "Share of the time in which a step was being computed, mean of all replicas. At 1 the engine is the limit.",
            SHARE,
            [Query(f"avg by (model) (rate(tandem_step_seconds_sum{{{MODEL}}}[$window]))", OF_MODEL)],
        ),
    ]

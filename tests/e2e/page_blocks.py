"""What the tests know of the code blocks of README and docs: what each prints, or why it is not run.

A block is named by a piece of it that no other block has. Blocks of TOML and YAML need no entry: they are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.contract.pages import FENCE, ROOT

PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]

ANSWER = r"(?i)\b(sky|blue|light|colou?r|atmosphere|scatter\w*)\b"
SENTENCE = r"\w+ \w+ \w+"
TEXT = r"\w.+\w"
UP = r"stop +Ctrl-C"
READY = "Server is ready to receive web requests"
PRINTS: dict[str, tuple[str, ...]] = {
    # Regular expressions, each of which is found in what the block prints. A server is stopped when all are.
    "# times both models": (ANSWER, "49 tokens", "16 images in", "times as long", "requests", "kernel"),
    'to_grid().save("sneakers.png")': (ANSWER,),
    'b"The clock strikes"': (TEXT,),
    "client.start_stream": (TEXT,),
    "instruct/generate -d": (r'"text_output":"\W*\w', r'data: \{"model_name":"smollm2-135m-instruct"'),
    "print(images.shape)": (r"\(3, 28, 28, 1\)",),
    "fashion-gan/infer": (r"\[1, ?28, ?28, ?1\]",),
    "fashion-gan/stats": ('"model_stats"',),
    "print([model.id": ("'fashion-ar'", SENTENCE, "prompt_tokens=", r"\[None, -"),
    "client.images.generate": (r"(?s)(\d+ bytes of PNG.*){4}", r"image_generation\.completed \d+"),
    "turn.tool_calls[0]": (r"weather \{'city': '.*', 'unit': '[CF]'\}", SENTENCE),
    "new OpenAI({": (SENTENCE,),
    "curl -sS --fail -N": ('"fashion-ar"', r"data: \[DONE\]", '"count":', '"prompt":', 'special_tokens"'),
    "check NAME --seeds": (ANSWER, r"\{.*\}", "49 tokens", "log-likelihood", "fashion-judge", "100.0 % of 64"),
    "Stream an answer from": (ANSWER, r"\d+ tokens, \d+ a second"),
    "Draw nine sneakers": (r"bags\.png: 9 images, \(9, 28, 28, 1\), seed 1",),
    "sock=$(ls": ("health_flags", "downstream_cx", "type.googleapis.com", "certificates"),
    "weight=3": ("text", "images", "Health/Check"),
    "--api openai-chat --workload": ("requests",),
    "chat.v1.Chat/Stream": ("requests", "whole conversations", "what the tester says"),
    "mooncake.jsonl": ("whole conversations", "turn"),
    "load_digits": (),
    "models add /path": ("can be served", UP),
    "torch.onnx.export": (),
    "check my-gan": ("my-gan: can be served", UP),
    "prometheus --config": (READY,),
    "cat > person.json": (r'"name": ?"', r"031 \d{3} \d\d \d\d", r"(?m)^(yes|no)$", r"(?m)^\d([+-]\d){1,4}$"),
    'choice=["yes", "no"], seed=1': (r"(?m)^(yes|no)$", r"(?m)^\[[01, ]*\]$"),
    "AutoregressiveService/Complete": ('"(yes|no)"',),
    "OTLP_ENDPOINT": (UP,),
}

DRAWING, OUTPUT = "it is a drawing", "it shows output"
DOCKER, LONG = "it needs Docker", "it measures for minutes; tests/integration/tandem/cli/bench has it with less effort"
OPEN = "it serves beyond loopback, with keys and TLS; tests/integration/tandem/cli/test_secured.py does so on loopback"
OWN = "it is what runs this test, or what this test starts"
BROWSER = "tests/integration/gateway/test_web_pages.py does so with a gateway of its own"
DIGITS = "it trains for minutes, or needs what that makes; tests/integration/training/test_pair.py takes less effort"
NOT_RUN = {
    "gRPC clients,   ": DRAWING,
    "generate_content smollm2": DRAWING,
    "traceresponse:": OUTPUT,
    "make up       #": OWN,
    "make test     # lint": OWN,
    "The sky appears blue": OUTPUT,
    "pip install tritonclient": "the environment of the tests has these packages",
    "git clone URL": "it sets a fresh checkout up",
    "apt-get install": "it changes the system",
    "tandem keys new": OPEN,
    "TANDEM_GATEWAY_TLS_CERT": OPEN,
    "--metrics-port 9112": "it takes fixed ports; tests/e2e/stacks.py starts the same on free ones",
    "BROWSER_ORIGINS=http": BROWSER,
    "npx buf generate": BROWSER,
    "createGrpcWebTransport({": BROWSER,
    "make images": DOCKER,
    "docker compose exec": DOCKER,
    "bench tradeoff --steps": LONG,
    "bench tradeoff --text": LONG,
    "bench colocation --fit": LONG,
    "--quality-images 0": LONG,
    "benchmarks.gpu --rehearse": "it needs an NVIDIA GPU, and minutes; tests/integration/benchmarks/gpu rehearses it",
    "models quantise": "it needs a judge and images of the user's own",
    "-m training.pair": DIGITS,
    "check digits-ar": DIGITS,
    "sample --label seven": DIGITS,
    "evaluate digits-gan": DIGITS,
}

IN_TESTS = {
    # What stands for something of the reader's own, and what would take long.
    "--json-schema FILE": "--json-schema person.json",
    "check NAME": "check fashion-gan",
    "--model NAME": "--model smollm2-135m-instruct",
    "chat.v1.Chat/Stream": "tandem.gan.v1.GanService/SampleStream",
    '{"prompt": "Hello"}': '{"sample": {"count": 2}}',
    "text --rate 20": "text,tokens=4 --rate 20 --duration 1",
    "--rate 2 --duration 30": "--rate 2 --duration 2",
    "text,turns=3,think=0:1": "text,turns=3,think=0:0.1,tokens=4",
    "turns=4,think=0.5:2,common=0.5": "turns=4,think=0:0.1,common=0.5,tokens=4",
    "tandem race  ": "tandem race --rounds 1  ",
    "--duration 10 ": "--duration 1 ",
    "--duration 30": "--duration 2",
    "tokens=64": "tokens=8",
    "geometric:64": "geometric:8",
    "--requests 500": "--requests 50",
    "--rate 4 ": "--rate 4 --duration 1 ",
    "--concurrency 16 --address": "--concurrency 2 --requests 4 --address",
    "--data request.json": "--duration 1 --data request.json",
}


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_data(self) -> bool:
        return self.language in ("toml", "yaml")


def blocks_of(page: str) -> list[Block]:
    text = (ROOT / page).read_text()
    return [Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2]) for found in FENCE.finditer(text)]


def named(block: Block, names: Mapping[str, object]) -> list[str]:
    """Return the names of a table that stand in the block: of both tables together, one for each block."""
    return [name for name in names if name in block.text]


ALL = [block for page in PAGES for block in blocks_of(page)]
RUN = [block for block in ALL if not named(block, NOT_RUN)]

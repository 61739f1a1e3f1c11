"""Stream an answer from the language model. Needs a gateway: `tandem up`, or another one that TANDEM_ADDRESS names."""

import sys

from tandem.client import TandemClient, TandemRpcError


def main() -> None:
    with TandemClient() as client:
        with client.generate("Why is the sky blue?", max_tokens=100, temperature=0.7, seed=1) as answer:
            for chunk in answer:
                print(chunk.text, end="", flush=True)
        if chunk.usage and chunk.timings:
            rate = chunk.usage.output_tokens / chunk.timings.total_seconds
            print(f"\n{chunk.usage.output_tokens} tokens, {rate:.0f} a second")


if __name__ == "__main__":
    try:
        main()
    except TandemRpcError as error:
        sys.exit(str(error))

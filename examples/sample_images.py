"""Draw nine sneakers and nine bags at the same time. Needs a gateway: `tandem up`, or what TANDEM_ADDRESS names."""

import asyncio
import sys

from tandem.client import AsyncTandemClient, TandemRpcError


async def main() -> None:
    async with AsyncTandemClient() as client:
        sneakers, bags = await asyncio.gather(
            client.sample(9, labels="sneaker", seed=1), client.sample(9, labels="bag", seed=1)
        )
    for name, images in (("sneakers", sneakers), ("bags", bags)):
        images.to_grid().save(f"{name}.png")
        print(f"{name}.png: {len(images)} images, {images.pixels.shape}, seed {images.seed}")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except TandemRpcError as error:
        sys.exit(str(error))

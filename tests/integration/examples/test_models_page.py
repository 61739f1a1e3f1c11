"""docs/models.md: the generator that the page exports can be served with the `model.toml` that the page shows."""

import re
import sys
from pathlib import Path

from tests.integration.tandem.cli.commands import run, tandem

PAGE = Path("docs/models.md").read_text()


async def test_a_generator_as_the_page_exports_it_can_be_served(tmp_path: Path) -> None:
    folder = tmp_path / "my-models" / "my-gan"
    folder.mkdir(parents=True)
    (export,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exported = await run(sys.executable, "-W", "ignore", "-c", export, folder=folder)
    assert exported.code == 0, exported.err
    (spec,) = re.findall(r"```toml\n# my-models/my-gan/model.toml.*?\n(.*?)```", PAGE, re.DOTALL)
    (folder / "model.toml").write_text(spec)
    checked = await run(*tandem("models", "check", "my-gan", "--models-dir", str(folder.parent)))
    assert checked.code == 0, checked.err
    assert "my-gan: can be served" in checked.out

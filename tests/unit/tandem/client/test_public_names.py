"""`__all__` is what the package has."""

from tandem import client


def test_all_lists_every_public_class_and_only_what_exists() -> None:
    here = {name for name, value in vars(client).items() if isinstance(value, type) and not name.startswith("_")}
    assert here <= set(client.__all__)
    assert all(hasattr(client, name) for name in client.__all__)

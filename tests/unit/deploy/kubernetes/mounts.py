"""The Secrets that operators make, as files where a pod would mount them."""

import hashlib
from pathlib import Path

from gateway.access.api_keys import load_api_keys
from tests.certificates import Authority
from tests.unit.deploy.kubernetes.manifests import Manifests

MOUNTED = "/etc/tandem"
API_KEY = "tdm_of_a_test"
API_KEYS = f'[[keys]]\nname = "somebody"\nsha256 = "{hashlib.sha256(API_KEY.encode()).hexdigest()}"\n'


def mount(manifests: Manifests, process: str, authority: Authority, folder: Path) -> dict[str, str]:
    """Write what the Secrets of a pod hold into `folder`, and return its environment with the paths there."""
    for mounted in manifests.server(process)["volumeMounts"]:
        path = folder / mounted["mountPath"].removeprefix(f"{MOUNTED}/")
        if mounted["name"] == "tls":
            path.mkdir(parents=True)
            identity = authority.issue(f"{process}-{folder.name}", process, "localhost")
            identity.cert.rename(path / "tls.crt")
            identity.key.rename(path / "tls.key")
            (path / "ca.crt").write_bytes(authority.ca.read_bytes())
        elif mounted["name"] == "api-keys":
            path.mkdir(parents=True)
            (path / "api-keys.toml").write_text(API_KEYS)
            assert load_api_keys(path / "api-keys.toml")
    return {name: value.replace(MOUNTED, str(folder)) for name, value in manifests.environment(process).items()}

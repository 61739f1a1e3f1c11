"""`python -m gateway`: reads the settings and runs the process to its end."""

import sys

from gateway.gateway import Gateway
from gateway.proxy.sockets import private_sockets
from gateway.settings import GatewaySettings
from gateway.tracing.settings import TracingSettings
from runtime.process.lifecycle import raise_file_limit, run_process, serve
from runtime.process.logs import configure_logging

_FILES_OF_CONNECTION = 2  # the client's and, over HTTP, the one to the gateway's own server
_OTHER_FILES = 256


def check_files(settings: GatewaySettings) -> None:
    """Exit with a line that says why if the process may not open as many files as its connections take."""
    needed = _FILES_OF_CONNECTION * settings.max_connections + _OTHER_FILES
    if (allowed := raise_file_limit()) < needed:
        sys.exit(
            f"gateway: max_connections: {settings.max_connections} connections take up to {needed} open files, and only"
            f" {allowed} are allowed; raise the limit (ulimit -Hn), or set max_connections to"
            f" {max(1, (allowed - _OTHER_FILES) // _FILES_OF_CONNECTION)} or less"
        )


async def run(settings: GatewaySettings, tracing: TracingSettings | None) -> int:
    """Run the gateway and return its exit code. Raises PortInUse, NoEnvoy, EnvoyEnded."""
    with private_sockets() as sockets:
        gateway = Gateway(settings, sockets, tracing=tracing)
        return await serve(gateway.server, gateway, settings.drain_seconds)


def main() -> None:
    settings, tracing = GatewaySettings.from_command_line("gateway"), TracingSettings.from_environment("gateway")
    configure_logging(settings.log_level)
    settings.warn()
    check_files(settings)
    run_process(run(settings, tracing))


if __name__ == "__main__":
    main()

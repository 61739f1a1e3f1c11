"""`python -m gateway`: reads the settings and runs the process to its end."""

from gateway.assembly import assemble
from gateway.proxy.sockets import private_sockets
from gateway.settings import GatewaySettings
from runtime.lifecycle import run_process, serve
from runtime.logs import configure_logging


async def run(settings: GatewaySettings) -> int:
    """Run the gateway and return its exit code. Raises PortInUse, NoEnvoy, EnvoyEnded."""
    with private_sockets() as sockets:
        gateway = assemble(settings, sockets)
        return await serve(gateway.server, gateway.worker, settings.drain_seconds)


def main() -> None:
    settings = GatewaySettings.from_command_line("gateway")
    configure_logging(settings.log_level)
    settings.warn()
    run_process(run(settings))


if __name__ == "__main__":
    main()

"""`python -m gateway`: reads the settings and runs the process to its end."""

from gateway.gateway import Gateway
from gateway.proxy.sockets import private_sockets
from gateway.settings import GatewaySettings
from gateway.tracing.settings import TracingSettings
from runtime.process.lifecycle import run_process, serve
from runtime.process.logs import configure_logging


async def run(settings: GatewaySettings, tracing: TracingSettings | None) -> int:
    """Run the gateway and return its exit code. Raises PortInUse, NoEnvoy, EnvoyEnded."""
    with private_sockets() as sockets:
        gateway = Gateway(settings, sockets, tracing=tracing)
        return await serve(gateway.server, gateway, settings.drain_seconds)


def main() -> None:
    settings, tracing = GatewaySettings.from_command_line("gateway"), TracingSettings.from_environment("gateway")
    configure_logging(settings.log_level)
    settings.warn()
    run_process(run(settings, tracing))


if __name__ == "__main__":
    main()

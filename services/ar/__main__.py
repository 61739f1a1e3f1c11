"""Entry of the sequential backend: `python -m services.ar --help`. What is put together is in `serving`."""

from runtime.models import ModelRepository
from runtime.process.logs import configure_logging
from services.ar.settings import ArSettings

if __name__ == "__main__":
    settings = ArSettings.from_command_line("services.ar")
    configure_logging(settings.log_level)
    settings.warn()
    hashes = ModelRepository(settings.models_dir).begin_hashing(settings.models)

    from services.ar.serving import run  # half a second of imports, in which another core hashes

    run(settings, hashes)

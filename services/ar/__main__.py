"""Entry of the sequential backend: `python -m services.ar --help`. What is put together is in `serving`."""

if __name__ == "__main__":
    import gc
    import os

    gc.disable()  # until it serves: what is imported and loaded stays
    # The threads of numpy's OpenBLAS spin when it is imported, and again after each product.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from runtime.process.logs import configure_logging
    from services.ar.settings import ArSettings
    from tandem.shared.models import ModelRepository

    settings = ArSettings.from_command_line("services.ar")
    configure_logging(settings.log_level)
    settings.warn()
    hashes = ModelRepository(settings.models_dir).begin_hashing(settings.models)

    from services.ar.serving import run  # a third of a second of imports, in which another core hashes

    run(settings, hashes)

"""What ListModels says of a model and of what runs it. Knows nothing of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gan.generator_instances import GeneratorInstances
from tandem.gan.v1 import gan_pb2
from tandem.shared.models import Model

if TYPE_CHECKING:
    from services.gan.image_model import ImageModel


def model_message(loaded: ImageModel, model: Model) -> gan_pb2.Model:
    """Return the entry of a loaded model."""
    return gan_pb2.Model(
        name=model.name,
        licence=model.spec.licence,
        image_shape=loaded.image.shape,
        latent_dim=loaded.image.latent_dim,
        num_classes=len(loaded.image.class_names),
        class_names=loaded.image.class_names,
        value_range=loaded.image.value_range,
        providers=loaded.providers,
        max_batch_size=loaded.max_batch_size,
        has_discriminator=loaded.judge is not None,
        max_reply_bytes=loaded.max_reply_bytes,
        runtime=runtime_message(loaded.generators),
        fingerprint=loaded.fingerprint,
    )


def runtime_message(generators: GeneratorInstances) -> gan_pb2.Runtime:
    """Return what is known of what runs a generator."""
    configuration, trial = generators.configuration, generators.trial
    return gan_pb2.Runtime(
        name=configuration.runtime,
        version=generators.version,
        precision=configuration.precision,
        instruction_set=generators.instruction_set,
        num_instances=configuration.num_instances,
        threads_per_instance=configuration.threads_per_instance,
        is_rewritten=configuration.is_rewritten,
        batch_sizes=list(configuration.pass_seconds),
        images_per_second=trial.samples_per_second if trial else {},
        rms_difference=trial.rms_difference if trial else 0.0,
    )

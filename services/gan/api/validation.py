"""From a request's protobuf fields to checked domain values; every range of gan.proto is enforced here."""

import math
import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.common.bounds import check_bounds, check_int
from services.common.images.encoding import Images
from services.common.images.messages import checked_classes, checked_encoding
from services.gan.discriminator import DiscriminatorInputs
from services.gan.image_request import ImageRequest
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument
from tandem.shared.model_spec import ImageSpec

MIN_TRUNCATION = 0.1
MAX_TRUNCATION = 10.0
MAX_DISCRIMINATED_IMAGES = 1024
# Latents are normal values: those drawn from a seed stay below 9. A hundred leaves room for experiments and is far from
# where float32 overflows inside a network (fashion-gan draws finite pixels up to 1e37).
MAX_LATENT = 100.0


def image_request(request: gan_pb2.SampleRequest, spec: ImageSpec, max_count: int) -> ImageRequest:
    """Return what the request asks for, with defaults filled in. Raises InvalidArgument."""
    count = check_int("count", request.count, 1, max_count) if request.HasField("count") else 1
    num_classes = len(spec.class_names)
    encoding = checked_encoding("encoding", request.encoding, spec)
    has_latents = request.HasField("latents")
    return ImageRequest(
        count,
        spec.latent_dim,
        num_classes,
        encoding,
        seed=0 if has_latents else request.seed if request.HasField("seed") else secrets.randbits(63),
        truncation=_truncation(request, has_latents) if request.HasField("truncation") else None,
        explicit_labels=_explicit_labels(labels, count, num_classes) if (labels := request.labels) else None,
        explicit_vectors=_explicit_vectors(request, count, spec.latent_dim) if has_latents else None,
    )


def discriminator_inputs(request: gan_pb2.DiscriminateRequest, images: Images, spec: ImageSpec) -> DiscriminatorInputs:
    """Return the request's images, which have been decoded, with their classes. Raises InvalidArgument."""
    num_classes = len(spec.class_names)
    if len(request.labels) != (len(images) if num_classes else 0):
        accepted = f"{len(images)}, one an image" if num_classes else "none, as the model has no classes"
        raise InvalidArgument("labels", _number_of(request.labels), accepted)
    return DiscriminatorInputs(images, checked_classes("labels", request.labels, num_classes) if num_classes else None)


def _truncation(request: gan_pb2.SampleRequest, has_latents: bool) -> float:
    value = request.truncation
    if has_latents:
        raise InvalidArgument("truncation", value, "none with explicit latents")
    if not (math.isfinite(value) and MIN_TRUNCATION <= value <= MAX_TRUNCATION):
        raise InvalidArgument("truncation", value, f"{MIN_TRUNCATION:g} to {MAX_TRUNCATION:g}")
    return value


def _explicit_labels(labels: Sequence[int], count: int, num_classes: int) -> npt.NDArray[np.int64]:
    if not num_classes:
        raise InvalidArgument("labels", _number_of(labels), "none, as the model has no classes")
    if len(labels) not in (1, count):
        raise InvalidArgument("labels", _number_of(labels), f"none, one, or {count}: one an image")
    classes = checked_classes("labels", labels, num_classes)
    return classes if len(classes) == count else np.repeat(classes, count)


def _explicit_vectors(request: gan_pb2.SampleRequest, count: int, latent_dim: int) -> npt.NDArray[np.float32]:
    field, values = "latents.values", np.array(request.latents.values, dtype=np.float32)
    if len(values) != count * latent_dim:
        accepted = f"{count * latent_dim}: {latent_dim} for each of {count} images"
        raise InvalidArgument(field, f"{len(values)} numbers", accepted)
    accepted = f"{-MAX_LATENT:g} to {MAX_LATENT:g}"
    check_bounds(values, -MAX_LATENT, MAX_LATENT, lambda place: f"{field}[{place[0]}]", accepted)
    return values.reshape(count, latent_dim)


def _number_of(labels: Sequence[int]) -> str:
    return f"{len(labels)} label{'' if len(labels) == 1 else 's'}"

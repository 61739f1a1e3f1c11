"""Models of images: a class, or a class and the first codes, as the prompt; images or codes to score."""

import asyncio
from collections.abc import Sequence

import numpy as np

from runtime.rpc.call import Call
from services.ar.api.reply_size import image_bytes
from services.ar.api.sequential_model import LIST_FIELD, SequentialModel, check_is_scorable
from services.ar.api.validation import image_encoding
from services.ar.codecs.image_codec import MAX_IMAGES, ImageCodec
from services.ar.engine.engine import Engine
from services.ar.engine.groups import TokenGroups, group_ends
from services.ar.engine.sequence import SamplingParams
from services.common.bounds import check_int
from services.common.diversity.watch import DiversityWatch
from services.common.images.encoding import Encoding, Images, to_uint8
from services.common.images.messages import ReceivedImages, check_classes, fill_image_batch
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument


class GrowingImages:
    """All choices begin with `prompt`. With `partial`, every message gets an image, not only a choice's last.

    With `num_partial`, that many messages before the last get one. An image's tokens are divided into `num_partial` + 1
    equal parts, and a message gets an image if it completes a part. `watch`, if given, sees each complete image.
    """

    def __init__(
        self,
        codec: ImageCodec,
        prompt: Sequence[int],
        params: SamplingParams,
        encoding: Encoding,
        partial: bool,
        num_partial: int,
        watch: DiversityWatch | None = None,
    ) -> None:
        self._codec = codec
        self._codes = [list(prompt[1:]) for _ in range(params.n)]
        self._labels = np.array([prompt[0] - codec.class_token(0)])
        self._seed = params.seed
        self._encoding = encoding
        self._partial = partial
        self.num_partial = num_partial
        self._watch = watch

    @property
    def max_bytes(self) -> int:
        """The most bytes that a message's image takes."""
        return image_bytes(self._codec.image.shape, self._encoding)

    async def add_to(self, messages: Sequence[ar_pb2.GenerateResponse], call: Call) -> None:
        """Take the messages' tokens; put the image into each message that is to carry one."""
        carriers, token_lists = [], []
        for message in messages:
            codes = self._codes[message.choice_index]
            num_before = len(codes)
            codes.extend(message.token_ids)
            if self._partial or message.finish_reason or self._part(len(codes)) > self._part(num_before):
                carriers.append(message)
                token_lists.append(codes.copy())
        if not carriers:
            return
        images = await self._codec.draw(token_lists, call.deadline, call.owner)
        await self._fill(carriers, images)
        for place, message in enumerate(carriers):
            if self._watch is not None and len(token_lists[place]) == self._codec.num_tokens:
                self._watch.saw(images[place : place + 1], self._labels, self._seed, message.choice_index)

    def _part(self, num_codes: int) -> int:
        """Return how many parts of an image are drawn: one more than are to be shown are the whole."""
        return num_codes * (self.num_partial + 1) // self._codec.num_tokens

    async def _fill(self, carriers: Sequence[ar_pb2.GenerateResponse], images: Images) -> None:
        if self._encoding == "png":
            await asyncio.to_thread(self._write, carriers, images)
        else:
            self._write(carriers, images)

    def _write(self, carriers: Sequence[ar_pb2.GenerateResponse], images: Images) -> None:
        pixels = images if self._encoding == "float32" else to_uint8(images, self._codec.image.value_range)
        for place, message in enumerate(carriers):
            fill_image_batch(message.image, [pixels[place : place + 1]], self._encoding)


class ImageModel(SequentialModel):
    """The images that requests bring are `received_images`."""

    codec: ImageCodec
    makes = "images"

    def __init__(
        self,
        codec: ImageCodec,
        engine: Engine,
        description: ar_pb2.Model,
        num_warm_up_tokens: int,
        received_images: ReceivedImages,
        watch: DiversityWatch | None,
    ) -> None:
        super().__init__(codec, engine, description, codec.num_codes, num_warm_up_tokens, codec.parts, watch)
        self._received_images = received_images
        self.default_max_tokens = codec.max_context_tokens
        description.num_classes = codec.num_classes
        description.class_names.extend(codec.image.class_names)
        description.image_shape.extend(codec.image.shape)
        description.value_range.extend(codec.image.value_range)
        description.tokens_per_image = codec.num_tokens
        description.can_score_images = codec.can_encode
        self.takes_steps = codec.mask_token is not None

    def groups(
        self, num_prompt_tokens: int, num_tokens: int, params: SamplingParams, given_places: tuple[int, ...]
    ) -> TokenGroups | None:
        steps, costs, num_codes = params.steps, self.codec.step_costs, num_prompt_tokens - 1  # behind the class
        if not 0 < steps < num_tokens:
            return None
        ends = group_ends(num_tokens, steps) if costs is None else costs.group_ends(num_codes, num_tokens, steps)
        return TokenGroups.of(num_prompt_tokens, ends)

    async def prompt(self, request: ar_pb2.GenerateRequest, call: Call) -> list[int]:
        kind = request.WhichOneof("prompt")
        if kind == "class_label":
            check_int("class_label", request.class_label, 0, self.codec.num_classes - 1)
            return [self.codec.class_token(request.class_label)]
        if kind == "tokens":
            token_ids = list(request.tokens.ids)
            self.codec.check_tokens("tokens", token_ids, self.codec.num_tokens - 1)
            return token_ids
        raise self.refusal("prompt", kind, "a text prompt", "class_label or tokens")

    async def read_scored(self, request: ar_pb2.ScoreRequest, call: Call) -> list[list[int]]:
        if request.WhichOneof("content") == "images":
            return await self._encode(request.images, call)
        token_lists = self.token_lists(request, "images or tokens")
        for number, token_ids in enumerate(token_lists):
            self.codec.check_tokens(LIST_FIELD.format(number), token_ids, self.codec.num_tokens)
            check_is_scorable(LIST_FIELD.format(number), token_ids)
        return token_lists

    async def _encode(self, content: ar_pb2.ImageContent, call: Call) -> list[list[int]]:
        if not self.codec.can_encode:
            raise InvalidArgument("images", "images", "tokens: this model has no token encoder")
        images = await self._received_images.decode("images.images", content.images, MAX_IMAGES, call.owner)
        if len(content.labels) != len(images):
            raise InvalidArgument("images.labels", f"{len(content.labels)} labels", f"{len(images)}, one an image")
        labels = check_classes("images.labels", content.labels, self.codec.num_classes).tolist()
        token_lists = await self.codec.encode(images, call.deadline, call.owner)
        return [[self.codec.class_token(label), *codes] for label, codes in zip(labels, token_lists, strict=True)]

    def growing_images(
        self, request: ar_pb2.GenerateRequest, prompt: list[int], params: SamplingParams
    ) -> GrowingImages:
        encoding = image_encoding(request, self.codec.image)
        # An image that was begun by the caller, or drawn narrower, or in fewer steps, says nothing of the model.
        is_whole = len(prompt) == 1 and params.steps in (0, self.codec.num_tokens)
        watch = self.watch if params.is_plain and is_whole else None
        num_partial = check_int("num_partial_images", request.num_partial_images, 0, self.codec.num_tokens - 1)
        return GrowingImages(self.codec, prompt, params, encoding, request.partial_images, num_partial, watch)

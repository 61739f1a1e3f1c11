"""The tokenizer that a GGUF file's metadata describes, and the tokens with a meaning of their own."""

from dataclasses import dataclass

from tokenizers import Tokenizer

from services.ar.model.fields import Fields
from services.ar.model.gguf.file import GgufFile
from services.ar.model.gguf.tokenizer.byte_level import byte_level_tokenizer, pre_type
from services.ar.model.gguf.tokenizer.sentencepiece import sentencepiece_tokenizer
from services.ar.model.gguf.tokenizer.vocabulary import CONTROL, Vocabulary, read_vocabulary
from services.ar.model.tokenizer_file import refused
from tandem.shared.models import ModelError

_END_OF_TURN = frozenset(
    ("<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "<end_of_turn>", "<|end_of_text|>", "</s>")
)
"""Control tokens with which an answer ends, whatever the file calls its EOS: files often name only one of them."""


@dataclass(frozen=True)
class GgufTokenizer:
    """A tokenizer, whether its texts begin with the BOS token, and the tokens that end an output."""

    tokenizer: Tokenizer
    has_bos: bool
    end_token_ids: frozenset[int]


def read_tokenizer(file: GgufFile) -> GgufTokenizer:
    """Return the tokenizer of a file. Raises ModelError if it is of another kind or damaged."""
    vocabulary, fields = read_vocabulary(file), Fields(file.path, file.values)
    match fields.text("tokenizer.ggml.model"):
        case "gpt2":
            cut = pre_type(vocabulary, fields.text("tokenizer.ggml.pre", "default"))
            has_bos = cut.has_bos
            with refused(file.path):
                tokenizer = byte_level_tokenizer(vocabulary, cut)
        case "llama":
            has_bos = True
            has_prefix = _flag(fields, "add_space_prefix", default=True)
            with refused(file.path):
                tokenizer = sentencepiece_tokenizer(vocabulary, has_prefix)
        case other:
            raise ModelError(
                f"{file.path}: GGUF tokenizer {other!r} is not supported; 'gpt2' (byte-level BPE) or 'llama' "
                "(SentencePiece) would fit"
            )
    return GgufTokenizer(tokenizer, _flag(fields, "add_bos_token", has_bos), _end_token_ids(vocabulary, fields))


def _flag(fields: Fields, name: str, default: bool) -> bool:
    key = f"tokenizer.ggml.{name}"
    return fields.flag(key) if fields.is_there(key) else default


def _end_token_ids(vocabulary: Vocabulary, fields: Fields) -> frozenset[int]:
    """Return the tokens that the file names as the end of a text, turn or message, and those known to be one."""
    keys = [f"tokenizer.ggml.{name}_token_id" for name in ("eos", "eot", "eom")]
    last = len(vocabulary.tokens) - 1
    named = [fields.integer(key, 0, last) for key in keys if fields.is_there(key)]
    known = [id_ for id_, token in enumerate(vocabulary.tokens) if token in _END_OF_TURN]
    return frozenset((*named, *(id_ for id_ in known if vocabulary.kinds[id_] == CONTROL)))

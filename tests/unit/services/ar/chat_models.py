"""Chat templates of several families, each with a small tokenizer that has its control tokens.

The templates are the families' own, less tools and images. The tokenizers differ in what matters to texts cut at
control tokens: byte-level or with a prefix space, these tokens inside the vocabulary or behind it, absorbed whitespace.
"""

from dataclasses import dataclass

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from services.ar.codecs.text_codec import TextCodec
from services.ar.model.checkpoint import Checkpoint

_TEXT = (
    "The two clocks in the station had been made by the same hand, and still they never agreed. One of them counted "
    "each second with a small sound; the other was silent. system user assistant think im_start im_end INST"
)

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA_3 = (
    "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' "
    "+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ ' ' + message['content'].strip() + eos_token }}{% else %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% endif %}{% endfor %}"
)
# The system's text stands in the first turn and once more before the last one; roles are put together with markup.
REPEATING = (
    "{% for message in messages %}<|{{ message.role }}|>\n{% if loop.last %}{{ messages[0].content }}\n{% endif %}"
    "{{ message.content }}<|end|>\n{% endfor %}<|assistant|>\n"
)
# Reasoning is left out of earlier answers, and a result of a tool is told by how its content begins.
REASONING = (
    "{% for message in messages %}{% set content = message.content %}{% if message.role == 'assistant' and "
    "'</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "<|im_start|>{{ 'tool' if content.startswith('<tool_response>') else message.role }}\n"
    "{{ content | upper if content | length > 60 else content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n<think>\n"
)
# These know functions.
QWEN = (
    "{% if tools %}<|im_start|>system\n{% if messages[0].role == 'system' %}{{ messages[0].content }}\n\n{% endif %}"
    "<tools>{% for tool in tools %}\n{{ tool | tojson }}{% endfor %}\n</tools>\nA call:\n"
    '{{ "<tool_call>\\n{\\"name\\": <name>, \\"arguments\\": <arguments>}\\n</tool_call><|im_end|>\\n" }}'
    "{% elif messages[0].role == 'system' %}<|im_start|>system\n{{ messages[0].content }}<|im_end|>\n{% endif %}"
    "{% for message in messages %}{% if message.role == 'tool' %}<|im_start|>user\n<tool_response>\n"
    "{{ message.content }}\n</tool_response><|im_end|>\n{% elif not (message.role == 'system' and loop.first) %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}{% for call in message.tool_calls %}\n<tool_call>\n"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}\n</tool_call>'
    "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_3_1 = (
    "{{- bos_token }}{% for tool in tools or [] %}{{ tool | tojson(indent=4) }}\n\n{% endfor %}"
    "{% for message in messages %}{{- '<|start_header_id|>' + (message.role if message.role != 'tool' else 'ipython') "
    "+ '<|end_header_id|>\n\n' }}{% if message.tool_calls %}{% if message.tool_calls | length != 1 %}"
    "{{- raise_exception('one at a time') }}{% endif %}{% set tool_call = message.tool_calls[0].function %}"
    "{{- '{\"name\": \"' + tool_call.name + '\", ' }}{{- '\"parameters\": ' }}\n"
    "{{- tool_call.arguments | tojson }}}{% else %}{{ message.content | trim }}{% endif %}<|eot_id|>{% endfor %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)


@dataclass(frozen=True)
class ChatModel:
    """A template, and how its tokenizer is made."""

    template: str
    controls: tuple[str, ...]
    vocabulary: tuple[str, ...] = ()
    """Added tokens that are not special."""
    bos: str | None = None
    eos: str | None = None
    in_vocabulary: bool = False
    """Whether control tokens have their ids inside of the model's vocabulary, as GGUF files have them."""
    absorbs_whitespace: bool = False
    prefix_space: str | None = None
    """None: byte-level. "first": a space before the text alone. "each": before each piece between control tokens."""
    adds_bos: bool = False
    """Whether the codec, and not the template, puts `bos` first."""

    def codec(self, max_context_tokens: int = 4096) -> TextCodec:
        special = {"bos_token": self.bos, "eos_token": self.eos}
        tokenizer = self.tokenizer()
        checkpoint = Checkpoint(
            config=None,
            tokenizer=tokenizer,
            read_tensors=None,
            bos_token_id=tokenizer.token_to_id(self.bos) if self.adds_bos else None,
            chat_template=self.template,
            special_tokens={name: token for name, token in special.items() if token},
        )
        return TextCodec(checkpoint, max_context_tokens)

    def tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer(models.BPE(byte_fallback=self.prefix_space is not None))
        self._lay_out(tokenizer)
        alphabet = [*pre_tokenizers.ByteLevel.alphabet(), *(f"<0x{byte:02X}>" for byte in range(256))]
        trainer = trainers.BpeTrainer(
            vocab_size=640,
            special_tokens=list(self.controls) if self.in_vocabulary else [],
            initial_alphabet=alphabet[:256],
            show_progress=False,
        )
        tokenizer.train_from_iterator([_TEXT], trainer)
        tokenizer.add_tokens(list(self.vocabulary))
        tokenizer.add_special_tokens(
            [AddedToken(control, rstrip=self.absorbs_whitespace, normalized=False) for control in self.controls]
        )
        return tokenizer

    def _lay_out(self, tokenizer: Tokenizer) -> None:
        if self.prefix_space is None:
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
            return
        if self.prefix_space == "each":
            tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        else:
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        tokenizer.decoder = decoders.Metaspace()


_IM = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MODELS = {
    "chatml": ChatModel(CHATML, _IM),
    "chatml, as GGUF has it": ChatModel(CHATML, _IM, in_vocabulary=True),
    "llama-3": ChatModel(
        LLAMA_3,
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        bos="<|begin_of_text|>",
        adds_bos=True,
    ),
    "mistral": ChatModel(
        MISTRAL, ("<s>", "</s>", "[INST]", "[/INST]"), bos="<s>", eos="</s>", adds_bos=True, prefix_space="first"
    ),
    "mistral, legacy": ChatModel(
        MISTRAL, ("<s>", "</s>", "[INST]", "[/INST]"), bos="<s>", eos="</s>", prefix_space="each"
    ),
    "repeating": ChatModel(REPEATING, ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"), absorbs_whitespace=True),
    "qwen": ChatModel(QWEN, _IM, ("<tool_call>", "</tool_call>")),
    "llama-3.1": ChatModel(
        LLAMA_3_1,
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        bos="<|begin_of_text|>",
        adds_bos=True,
    ),
    "reasoning": ChatModel(REASONING, _IM, ("<think>", "</think>", "<tool_response>")),
}

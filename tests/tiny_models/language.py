"""Language models as text encoders: Gemma, Llama, Mistral, Qwen, GLM, and their tokenizers."""

from __future__ import annotations

from typing import Any

from tests.tiny_models.parts import LETTERS, WIDTH

#: What a chat template of such a model comes to, as far as pipelines rely on it.
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for item in message.content %}"
    "{% if item.type == 'text' %}{{ item.text }}{% else %}<|image_pad|>{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
#: Tokens of `byte_tokenizer`.
BYTE_VOCABULARY = 256 + len(SPECIAL)


def byte_tokenizer(**options: Any) -> Any:
    """Qwen's: byte-level, with a chat template; here each byte is a token."""
    from tokenizers import pre_tokenizers
    from transformers import Qwen2Tokenizer

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [*alphabet, *SPECIAL]
    return Qwen2Tokenizer(
        vocab={name: index for index, name in enumerate(names)},
        merges=[],
        extra_special_tokens=list(SPECIAL[1:]),
        chat_template=CHAT,
        **{"model_max_length": 4096, **options},
    )


def glm_tokenizer() -> Any:
    """GLM's: byte-level, with a token before every text."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    names = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *SPECIAL]
    ids = {name: index for index, name in enumerate(names)}
    tokenizer = Tokenizer(BPE(vocab=ids, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    start = "<|im_start|>"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A", special_tokens=[(start, ids[start])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        padding_side="left",
        model_max_length=4096,
    )


def gemma_tokenizer() -> Any:
    """Gemma's: single letters, and a mark for the space."""
    from transformers import GemmaTokenizer

    names = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *LETTERS]
    return GemmaTokenizer(
        vocab={name: index for index, name in enumerate(names)},
        merges=[],
        add_bos_token=True,
        model_max_length=2048,
    )


def config(**changes: Any) -> dict[str, Any]:
    """What configs of small language models have in common."""
    return {
        "vocab_size": BYTE_VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": WIDTH // 2,
        "max_position_embeddings": 4096,
        "bos_token_id": 256,
        "eos_token_id": 256,
        "pad_token_id": 256,
        **changes,
    }


def gemma_encoder(width: int = WIDTH) -> Any:
    """Gemma 2, as Lumina and Sana read it."""
    from transformers import Gemma2Config, Gemma2Model

    return Gemma2Model(
        Gemma2Config(
            **config(
                vocab_size=len(LETTERS) + 6,
                hidden_size=width,
                query_pre_attn_scalar=8,
                sliding_window=64,
                bos_token_id=2,
                eos_token_id=1,
                pad_token_id=0,
            )
        )
    )


def qwen3_encoder(layers: int = 3, *, causal: bool = False) -> Any:
    """Qwen 3."""
    from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3Model

    build: Any = Qwen3ForCausalLM if causal else Qwen3Model
    return build(Qwen3Config(**config(num_hidden_layers=layers)))


def qwen_vl_encoder(layers: int = 2) -> Any:
    """Qwen 2.5 with eyes, as Qwen-Image reads it."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = config(num_hidden_layers=layers)
    del text["head_dim"]
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                **text,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 1e6,
                    "mrope_section": [1, 1, 2],
                },
            },
            vision_config={
                "depth": 1,
                "hidden_size": WIDTH,
                "intermediate_size": 2 * WIDTH,
                "num_heads": 2,
                "out_hidden_size": WIDTH,
                "fullatt_block_indexes": [0],
            },
            image_token_id=261,
            video_token_id=262,
            vision_start_token_id=259,
            vision_end_token_id=260,
        )
    )


def mistral_encoder(layers: int) -> Any:
    """Mistral 3 with eyes, as FLUX.2 reads it."""
    from transformers import Mistral3Config, Mistral3ForConditionalGeneration

    return Mistral3ForConditionalGeneration(
        Mistral3Config(
            text_config={"model_type": "mistral", **config(num_hidden_layers=layers)},
            vision_config={
                "model_type": "pixtral",
                "hidden_size": WIDTH,
                "intermediate_size": 2 * WIDTH,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "head_dim": WIDTH // 2,
                "image_size": 56,
                "patch_size": 14,
            },
            image_token_index=261,
        )
    )


def llama_encoder(width: int = WIDTH) -> Any:
    """Llama 3, as HiDream reads it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**config(hidden_size=width, head_dim=width // 2)))


def glm_encoder() -> Any:
    """GLM 4, as CogView4 reads it."""
    from transformers import GlmConfig, GlmModel

    return GlmModel(GlmConfig(**config()))

"""Small tokenizers of the families in use, trained here, each with the habits of its family."""

from __future__ import annotations

from typing import Any

TEXT = [
    "the cat sat on a mat and then it ran far away from here .",
    "the learning rate of a neural network is a number ; the network learns .",
    "state-of-the-art methods ( for example BERT ) use attention , don't they ?",
] * 3
SPECIAL = ["<unk>", "<s>", "[UNK]"]


def byte_level(*, prefix_space: bool = False, trim_offsets: bool = True) -> Any:
    """Byte-level BPE (GPT-2, SmolLM2, Llama 3). Untrimmed, a token's offsets hold the space before it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    core.post_processor = processors.ByteLevel(trim_offsets=trim_offsets)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trained(
        core, trainers.BpeTrainer(vocab_size=360, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    )
    return wrapped(core)


def sentencepiece(*, legacy: bool = False) -> Any:
    """Pieces that begin with a visible space (Llama 2, T5), put before the first word by the tokenizer itself."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    core = Tokenizer(models.BPE(unk_token="<unk>"))
    if legacy:
        core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        core.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    else:
        core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    trained(core, trainers.BpeTrainer(vocab_size=160, special_tokens=SPECIAL, show_progress=False))
    return wrapped(core)


def word_piece() -> Any:
    """Pieces of lower-cased words without accents, spaces forgotten (BERT)."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    trained(core, trainers.WordPieceTrainer(vocab_size=160, special_tokens=SPECIAL, show_progress=False))
    return wrapped(core)


def trained(core: Any, trainer: Any) -> None:
    """Train in place."""
    core.train_from_iterator(TEXT, trainer)


def wrapped(core: Any) -> Any:
    """As transformers gives it, with a beginning-of-sequence token."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", unk_token="<unk>")


FAMILIES = {
    "byte-level": lambda: byte_level(),
    "byte-level, offsets with spaces": lambda: byte_level(trim_offsets=False),
    "byte-level, own space": lambda: byte_level(prefix_space=True),
    "sentencepiece": lambda: sentencepiece(),
    "sentencepiece, legacy": lambda: sentencepiece(legacy=True),
    "word piece": lambda: word_piece(),
}
"""By name."""

"""A causal language model as a writer of comments, its prefix read once.

Before a line, the model has read the task, the code, and its own answer so far. The line and a comment in its place share
their first tokens (line ends, indentation); where they part, the model's next-token probabilities decide: a comment is
written if its marker is at least `exp(margin)` times as probable as the line's own next token. With margin 0 that is
what greedy decoding would do between the two; the default makes a model comment that seldom does by itself: at 0 the
shipped SmolLM2-135M writes nothing, at -3 before about one line in twelve.

Lines are turned into tokens with the line end before them, as tokenizers join that with the indentation; blank lines go
with the line below. The cache is the longest common beginning of what was read and what is asked: a rejected comment is
forgotten, a copied line read in one go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from training.comments.annotate import Place, Proposal
from training.comments.cache import roomy_cache
from training.comments.languages import PYTHON, Language
from training.comments.prompts import end_token, fence, prompt, request
from training.comments.source import Unreadable


@dataclass(frozen=True)
class WriterOptions:
    """How a model writes; all defaults are ours."""

    margin: float = -3.0
    """Least log-odds of a comment's marker against the line's own next token."""
    docstring_margin: float = -3.0
    """The same for a docstring."""
    most_tokens: int = 48
    """Longest comment."""
    template: int = 0
    """Which of `training.comments.prompts.TEMPLATES` asks."""


class Prefix:
    """Next-token log-probabilities of a model that reads every common beginning once."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._window: int | None = getattr(model.config, "max_position_embeddings", None)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._cache = roomy_cache()
        self._read: list[int] = []

    @torch.inference_mode()
    def next(self, tokens: Sequence[int]) -> Float[Tensor, " vocab"]:
        """Log-probabilities of what comes behind `tokens`. Raises Unreadable for more than the model reads at once."""
        if self._window is not None and len(tokens) > self._window:
            raise Unreadable(f"a piece of it and its comments are over the {self._window:,} tokens of the model's context")
        kept = min(_shared(self._read, tokens), len(tokens) - 1)
        if kept < len(self._read):
            self._cache.crop(kept - len(self._read))
        new = torch.tensor([list(tokens[kept:])], device=self.model.device)
        logits = self.model(new, past_key_values=self._cache, use_cache=True, logits_to_keep=1).logits
        self._read = list(tokens)
        return logits[0, -1].float().log_softmax(-1)


class CausalWriter:
    """A causal language model of transformers and its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any, options: WriterOptions | None = None) -> None:
        self.tokenizer, self.options = tokenizer, options or WriterOptions()
        self._prefix = Prefix(model)
        self._context: list[int] = []
        self._language: Language | None = None
        self._ends = {tokenizer.eos_token_id, end_token(tokenizer)}
        self._end = end_token(tokenizer)

    def begin(self, code: str, language: Language) -> float:
        """Read a task anew; return the probability of the end token as the whole answer."""
        self._prefix.reset()
        self._language = language
        asked = prompt(request(code.replace("\r\n", "\n"), language, self.options.template), self.tokenizer)
        self._context = self._tokens(asked)
        p_end = float(self._prefix.next(self._context)[self._end].exp())
        self._context += self._tokens(fence(language))
        return p_end

    def write(self, line: str, blank: int) -> None:
        """Take a line into what was written; it is read when the model is next asked."""
        self._context += self._line(line, blank)

    def propose(self, place: Place) -> Proposal | None:
        """A comment or docstring, where its marker is probable enough."""
        assert self._language
        code = self._line(place.below, place.blank)
        openers = [(self._language.opener, self.options.margin)]
        if place.docstring and self._language.name == PYTHON:
            openers.append(('"""', self.options.docstring_margin))
        best: tuple[float, str, list[int]] | None = None
        for opener, margin in openers:
            tokens = self._line(place.indent + opener, place.blank)
            shared = _shared(code, tokens)
            if shared in (len(code), len(tokens)):
                continue
            found = self._prefix.next(self._context + code[:shared])
            odds = float(found[tokens[shared]] - found[code[shared]]) - margin
            if odds >= 0 and (best is None or odds > best[0]):
                best = odds, opener, tokens
        return best and self._written(best[1], best[2])

    def _written(self, opener: str, tokens: list[int]) -> Proposal:
        """What the model writes behind a marker, greedily, up to the line's end or to what closes the comment."""
        assert self._language
        closer = '"""' if opener == '"""' else self._language.closer
        written: list[int] = []
        text = ""
        for _ in range(self.options.most_tokens):
            best = int(self._prefix.next(self._context + tokens + written).argmax())
            if best in self._ends:
                break
            written.append(best)
            text = self.tokenizer.decode(written)
            if "\n" in text or (closer and closer in text):
                break
        else:
            return Proposal(f"{opener}{text} {closer}".rstrip(), complete=False)
        content = text.split("\n")[0]
        content = content.split(closer)[0] if closer else content
        separator = "" if opener == '"""' else " "
        return Proposal(f"{opener}{separator}{content.strip()}{separator if closer else ''}{closer}")

    def _line(self, line: str, blank: int) -> list[int]:
        return self._tokens("\n" * (blank + 1) + line)

    def _tokens(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the longest common beginning."""
    for number, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return number
    return min(len(one), len(other))

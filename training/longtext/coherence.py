"""Coherence: what a language model gains from a longer context (LongWanjuan's code, coherence/get_en_coherence.py).

A document's tokens (no BOS) are cut into windows of W, the rest dropped. The last M tokens of a window are predicted
twice: from the whole window, and from its last S tokens alone, read as a text of their own. acc_l and acc_s are the shares
that the arg-max gets right, diff = acc_l - acc_s, and means over the windows are the document's. A high acc alone speaks
for repeated text; diff tells whether what lies farther back helps.

The two runs share nothing but the embeddings, as the short one has positions of its own. So both are batched over windows
and documents, and logits are computed at the targets only. The paper's model is InternLM2-7B with W, S, M of 4096, 2048,
1024; for a small model on a CPU ours are 512, 256, 128 on at most four windows, which lie evenly over the document.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.models.load import load_causal
from interp.runs.device import autocast
from interp.runs.errors import UserError
from training.longtext.tokens import whole

_EPSILON = 1e-5
"""Added to the denominators of the ratios, as in LongWanjuan's code."""
BATCH_TOKENS = 2_048
"""Tokens of a batch on a CPU."""
_CUDA_BATCH_TOKENS = 32_768


class Windows(NamedTuple):
    """How a document is cut."""

    window: int
    """W: tokens of the long run."""
    short: int
    """S: tokens of the short run, the last of the window."""
    targets: int
    """M: tokens that both predict, the last of the window."""
    most: int | None
    """Windows of a document that are read, evenly spread; None for all."""


PRESETS = {"cpu": Windows(512, 256, 128, 4), "paper": Windows(4096, 2048, 1024, None)}
"""By name. The sizes of `cpu` are ours."""


def preset(name: str) -> Windows:
    """A preset by its name. Raises UserError if there is none."""
    if name not in PRESETS:
        raise UserError(f"there are no windows '{name}'; accepted are {', '.join(PRESETS)}")
    return PRESETS[name]


class WindowScore(NamedTuple):
    """One window: its place in the text in characters, and both runs."""

    start: int
    end: int
    acc_l: float
    acc_s: float
    diff: float
    nll_l: float
    """Mean nats of a target given the whole window."""
    nll_s: float


class Coherence(NamedTuple):
    """A document's coherence."""

    metrics: dict[str, float]
    """coherence_acc_l, coherence_acc_s, coherence_diff."""
    evidence: dict[str, Any]
    """`windows`, and `coherence` with the ratios and perplexities that LongWanjuan's code stores."""


class CoherenceModel:
    """A causal language model that reads windows."""

    def __init__(self, model: Any, tokenizer: Any, name: str = "the model") -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._budget = _CUDA_BATCH_TOKENS if model.device.type == "cuda" else BATCH_TOKENS

    @classmethod
    def load(cls, name: str, *, device: str = "auto") -> CoherenceModel:
        """Any causal language model that `interp.models.load_causal` takes; raises UserError as it does."""
        return cls(*load_causal(name, device=device), name)

    def score(self, texts: Sequence[str], windows: Windows) -> list[Coherence | None]:
        """One result a text; None for a text shorter than a window.

        Raises UserError if the model cannot read a window as long.
        """
        limit = getattr(self.model.config, "max_position_embeddings", None) or windows.window
        if limit < windows.window:
            raise UserError(
                f"{self.name} reads {limit} tokens at most, and a window has {windows.window}; take smaller ones"
            )
        encoded = [self.cut(text, windows) for text in texts]
        tokens = [window.tokens for windows_of in encoded for window in windows_of]
        if not tokens:
            return [None] * len(texts)
        long, short = self.runs(torch.stack(tokens), windows)
        scores = iter(zip(long.tolist(), short.tolist(), strict=True))
        return [_document([_scored(window, *next(scores)) for window in found]) if found else None for found in encoded]

    def cut(self, text: str, windows: Windows) -> list[Window]:
        """The windows of a text that are read, with their places."""
        encoded = whole(self.tokenizer.backend_tokenizer).encode(text, add_special_tokens=False)
        places, ids = encoded.offsets, encoded.ids
        found = []
        for number in chosen(len(ids) // windows.window, windows.most):
            first, last = number * windows.window, (number + 1) * windows.window
            found.append(Window(places[first][0], places[last - 1][1], torch.tensor(ids[first:last])))
        return found

    def runs(
        self, tokens: Int[Tensor, "window pos"], windows: Windows
    ) -> tuple[Float[Tensor, "window 2"], Float[Tensor, "window 2"]]:
        """Accuracy and mean nats of the targets of each window, from its whole and from its end."""
        return self._run(tokens, windows.targets), self._run(tokens[:, -windows.short :], windows.targets)

    @torch.inference_mode()
    def _run(self, tokens: Int[Tensor, "window pos"], targets: int) -> Float[Tensor, "window 2"]:
        size = max(self._budget // tokens.shape[1], 1)
        return torch.cat([self._batch(batch.to(self.model.device), targets).cpu() for batch in tokens.split(size)])

    def _batch(self, tokens: Int[Tensor, "window pos"], targets: int) -> Float[Tensor, "window 2"]:
        # The last token predicts nothing that is asked, so it is not read.
        keep = {"logits_to_keep": targets} if self._keeps else {}
        with autocast(self.model.device):
            logits = self.model(tokens[:, :-1], use_cache=False, **keep).logits[:, -targets:].float()
        wanted = tokens[:, -targets:]
        hits = (logits.argmax(-1) == wanted).float().mean(-1)
        picked = logits.gather(-1, wanted[..., None])[..., 0]
        return torch.stack([hits, (logits.logsumexp(-1) - picked).mean(-1)], dim=-1)


class Window(NamedTuple):
    """Tokens of a window, and its place in the text in characters."""

    start: int
    end: int
    tokens: Int[Tensor, " pos"]


def chosen(count: int, most: int | None) -> Iterator[int]:
    """Numbers of the windows that are read: all, or `most` of them in the middles of as many equal parts."""
    if most is None or count <= most:
        return iter(range(count))
    return iter((2 * part + 1) * count // (2 * most) for part in range(most))


def _scored(window: Window, long: Sequence[float], short: Sequence[float]) -> WindowScore:
    (acc_l, nll_l), (acc_s, nll_s) = long, short
    return WindowScore(window.start, window.end, acc_l, acc_s, gain(acc_l, acc_s), nll_l, nll_s)


def gain(acc_l: float, acc_s: float) -> float:
    """Coherence_diff, of a window or a document: what the longer context adds."""
    return acc_l - acc_s


def _document(scores: Sequence[WindowScore]) -> Coherence:
    acc_l, acc_s, nll_l, nll_s = (
        np.array([getattr(score, name) for score in scores]) for name in ("acc_l", "acc_s", "nll_l", "nll_s")
    )
    ppl_l, ppl_s = float(np.exp(nll_l).mean()), float(np.exp(nll_s).mean())
    diff = gain(float(acc_l.mean()), float(acc_s.mean()))
    metrics = {"coherence_acc_l": float(acc_l.mean()), "coherence_acc_s": float(acc_s.mean()), "coherence_diff": diff}
    further = {
        "diff_ratio": diff / (metrics["coherence_acc_l"] + _EPSILON),
        "ppl_l": ppl_l,
        "ppl_s": ppl_s,
        "ppl_delta": ppl_s - ppl_l,
        "ppl_ratio": (ppl_s - ppl_l) / (ppl_s + _EPSILON),
        "nll_l": float(nll_l.mean()),
        "nll_s": float(nll_s.mean()),
    }
    return Coherence(metrics, {"windows": [score._asdict() for score in scores], "coherence": further})

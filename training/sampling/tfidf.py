"""Texts to unit vectors without a model: TF-IDF of words, projected to the corpus's first singular directions.

Latent semantic analysis (Deerwester et al. 1990) by scikit-learn, fitted to a sample of the corpus. One more coordinate
is 1 for texts that have no known word and 0 for all others: they get a direction of their own instead of none.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp.runs.atomic import write_json, write_tensors
from interp.runs.errors import UserError

_NO_WORDS = "the corpus has no two words that occur in two texts each, which tfidf needs; take the embedder minilm"
_WEIGHING: dict[str, Any] = {"sublinear_tf": True}


class TfidfEmbedder:
    """Words, what each weighs, and the directions that their weights are projected to."""

    def __init__(self, words: Sequence[str], idf: Float[Tensor, " word"], directions: Float[Tensor, "d word"]) -> None:
        self.words, self.idf, self.directions = list(words), idf, directions

    @functools.cached_property
    def _vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(vocabulary=self.words, **_WEIGHING)
        vectorizer.idf_ = self.idf.numpy()
        return vectorizer

    def __call__(self, texts: Sequence[str]) -> Float[Tensor, "text d"]:
        """One vector a text, of all its words."""
        projected = torch.from_numpy(self._vectorizer.transform(texts) @ self.directions.numpy().T)
        unknown = torch.linalg.vector_norm(projected, dim=1, keepdim=True) < 1e-9
        return torch.nn.functional.normalize(torch.cat([projected * ~unknown, unknown], dim=1), dim=1).float()

    def save(self, folder: Path) -> None:
        """Write words and weights to `folder`."""
        write_json(folder / "words.json", self.words)
        write_tensors(folder / "weights.safetensors", {"idf": self.idf, "directions": self.directions})

    @classmethod
    def load(cls, folder: Path) -> TfidfEmbedder:
        """Read what `save` wrote."""
        from safetensors.torch import load_file

        tensors = load_file(folder / "weights.safetensors")
        words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
        return cls(words, tensors["idf"], tensors["directions"])


def fit_tfidf(texts: Iterable[str], *, width: int = 128, words: int = 50_000, seed: int = 0) -> TfidfEmbedder:
    """The embedder of a corpus: its `words` commonest words, each in two texts at least, and `width` directions.

    Raises UserError if there are not two such words.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.utils.extmath import randomized_svd

    vectorizer = TfidfVectorizer(min_df=2, max_features=words, **_WEIGHING)
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:  # no word is left
        raise UserError(_NO_WORDS) from None
    if weights.shape[1] < 2:
        raise UserError(_NO_WORDS)
    _, _, directions = randomized_svd(weights, min(width, *weights.shape), random_state=seed)
    names = vectorizer.get_feature_names_out().tolist()
    return TfidfEmbedder(names, torch.from_numpy(vectorizer.idf_.copy()), torch.from_numpy(directions.copy()))

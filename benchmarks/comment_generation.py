"""Comments by the shipped language model: cached prefixes against encoding everything anew, and what the model writes.

Speed: a comment of 16 tokens behind a prefix of 500, by `training.comments.writer`'s cached prefix and as a plain loop
would: the whole prefix for every token. Warm, the prefix was read before, as it is at every place of a file but the first;
cold, its reading counts too. The bar is 20 times, warm. All must choose the same tokens. A token can be no faster than the
matrix-vector products of all weights, which read each weight once; those are timed alone beside the rest.

Yield: small files of the standard library, stripped of their comments, are commented at several margins; the funnel of
each, and how many comments per 100 places.
"""

from __future__ import annotations

import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import arguments, publish, seconds_in_turn
from interp.corpora.document import rank
from interp.models.load import load_causal
from training.comments.annotate import Annotated, annotate
from training.comments.instructions import pieces
from training.comments.languages import LANGUAGES
from training.comments.source import Source, Unreadable, read_source
from training.comments.strip import strip
from training.comments.writer import CausalWriter, Prefix, WriterOptions

MODEL = "smollm2-135m"
PREFIX, WRITTEN = 500, 16
MARGINS = (0.0, -3.0, -5.0)
SHORTEST, LONGEST = 400, 1_600
"""Characters of the pieces that are commented."""


def stripped_pieces(count: int) -> list[Source]:
    """Functions and classes of the standard library without their comments, in the order of a hash of the files."""
    folder, found = Path(sysconfig.get_path("stdlib")), []
    for path in sorted(folder.glob("*.py"), key=lambda path: rank(path.name)):
        source = read_source(path, LANGUAGES["Python"])
        for piece in pieces(source):
            try:
                bare = source._replace(text=strip(source._replace(text=piece)).text)
            except Unreadable:
                continue
            if SHORTEST <= len(bare.text) <= LONGEST:
                found.append(bare)
                break
        if len(found) == count:
            break
    return found


def speed(model: Any, tokens: list[int], repeats: int) -> dict[str, Any]:
    """A comment behind a prefix: the cached ways, warm and cold, against the plain one."""
    written: dict[str, list[int]] = {}
    prefix = Prefix(model)
    prefix.next(tokens)

    def warm() -> None:
        own = list(tokens)
        for _ in range(WRITTEN):
            own.append(int(prefix.next(own).argmax()))
        written["cached"] = own

    def cold() -> None:
        prefix.reset()
        warm()

    @torch.inference_mode()
    def naive() -> None:
        own = list(tokens)
        for _ in range(WRITTEN):
            own.append(int(model(torch.tensor([own]), use_cache=False, logits_to_keep=1).logits[0, -1].argmax()))
        written["naive"] = own

    layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    rows = {layer.in_features: torch.randn(1, layer.in_features) for layer in layers}

    @torch.inference_mode()
    def products() -> None:
        for _ in range(WRITTEN):
            for layer in layers:
                layer(rows[layer.in_features])

    ours, from_nothing, theirs, floor = seconds_in_turn(warm, cold, naive, products, repeats=repeats)
    weights = WRITTEN * sum(layer.weight.nbytes for layer in layers)
    return {
        "prefix_tokens": len(tokens),
        "times_naive": theirs / ours,
        "times_naive_cold": theirs / from_nothing,
        "times_naive_of_products_alone": theirs / floor,
        "share_of_products": floor / ours,
        "products_read_gb_a_second": weights / floor / 1e9,
        "tokens_a_second": WRITTEN / ours,
        "same_tokens": written["cached"] == written["naive"],
    }


def yields(model: Any, tokenizer: Any, sources: list[Source], margin: float) -> dict[str, Any]:
    """What comes of commenting at one margin."""
    writer = CausalWriter(model, tokenizer, WriterOptions(margin=margin, docstring_margin=margin))
    found: list[Annotated] = [annotate(source, writer) for source in sources]
    places = sum(one.places for one in found)
    inserted = sum(len(one.inserted) for one in found)
    reasons = Counter(one.reason for one in found if one.reason)
    return {
        "margin": margin,
        "files": len(found),
        "accepted": sum(one.accepted for one in found),
        "places": places,
        "inserted": inserted,
        "dropped": sum(len(one.dropped) for one in found),
        "inserted_per_100_places": 100 * inserted / max(places, 1),
        "density_after": sum(one.density_after or 0.0 for one in found) / len(found),
        "code_changed": reasons["code_changed"],
        "largest_p_end": max(one.p_end or 0.0 for one in found),
        "seconds_a_file": sum(one.seconds for one in found) / len(found),
    }


def main() -> None:
    """Measure and write the result."""
    given = arguments(__doc__).parse_args()
    loaded = load_causal(MODEL, device="cpu")
    sources = stripped_pieces(2 if given.quick else 12)
    text = "\n".join(source.text for source in stripped_pieces(8))
    tokens = loaded.tokenizer(text, add_special_tokens=False).input_ids[:PREFIX]
    margins = MARGINS[1:2] if given.quick else MARGINS
    result = {
        **speed(loaded.model, tokens, 1 if given.quick else 5),
        "yield": [yields(*loaded, sources, margin) for margin in margins],
        "target": {"times_naive": 20},
        "note": f"{MODEL} in float32, greedy; functions and classes of the standard library, stripped.",
    }
    publish("comment_generation", result, quick=given.quick)


if __name__ == "__main__":
    main()

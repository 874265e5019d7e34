"""What the verbs of `interp circuits` look at: an Othello game, or a prompt of a language model, ready for tracing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from interp.runs.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from interp.circuits.decomposition import Decomposition
    from interp.circuits.targets import Target
    from interp.models.bridge import LanguageModel


class Prepared(NamedTuple):
    """A decomposed prompt and its target."""

    decomposition: Decomposition
    target: Target
    tokens: list[str]
    """The prompt's tokens as text, squares in an Othello game."""
    scan: str
    """What an exported graph says of its model: its name, for Othello the dictionary set's behind it."""
    text_of: Callable[[int], str] | None = None
    """Text of a token of a language model."""

    @property
    def prompt(self) -> str:
        """The tokens joined as their model joins them."""
        return (" " if self.text_of is None else "").join(self.tokens)


def prepare(
    target: str,
    moves: str | None,
    dictionary_set: str,
    model: str | None,
    dictionaries: Path | None,
    prompt: str | None,
    device: str,
) -> Prepared:
    """Whatever the options ask for. Raises UserError for a combination that says too little, and for bad input."""
    if moves is not None and model is None:
        return _othello(moves, dictionary_set, target, device)
    if model is not None and prompt is not None and dictionaries is not None:
        return _language(model, dictionaries, prompt, target, device)
    raise UserError("say what to trace: --moves for Othello, or --model, --dictionaries and --prompt together")


def _othello(moves: str, dictionary_set: str, target: str, device: str) -> Prepared:
    """The shipped transformer on a game; bad games are refused before anything is loaded."""
    from interp.othello.games import replay
    from interp.othello.notation import parse_moves, square_name

    squares = parse_moves(moves)
    games = replay(squares)

    import torch

    from interp.circuits.decomposition import decompose
    from interp.circuits.grammar import othello_target
    from interp.dictionaries.sets import load_set
    from interp.models.network import Network
    from interp.othello.games import tokens
    from interp.othello.transformer import load_shipped
    from interp.runs.device import resolve

    where = resolve(device)
    # In float64 the sums agree with the value to many more digits than float32 activations deserve.
    network = Network.from_othello(load_shipped().to(where)).to(torch.float64)
    loaded = {site: dictionary.to(where) for site, dictionary in load_set(dictionary_set).items()}
    d = decompose(network, loaded, torch.as_tensor(tokens(games.moves))[0].to(where))
    return Prepared(d, othello_target(target, d), [square_name(square) for square in squares], f"othello-{dictionary_set}")


def _language(model: str, dictionaries: Path, prompt: str, target: str, device: str) -> Prepared:
    """A language model with the dictionaries of a folder, which are read first: they are quick to refuse."""
    from interp.dictionaries.language_sets import load_language_set

    found = load_language_set(dictionaries)
    from interp.circuits.decomposition import decompose
    from interp.circuits.grammar import language_target
    from interp.models.load import load_language
    from interp.models.network import Network

    loaded = load_language(model, device=device)
    tokens = _tokens(loaded, prompt)
    d = decompose(Network.from_bridge(loaded.bridge), {site: one.to(tokens.device) for site, one in found.items()}, tokens)

    def token_of(name: str) -> int:
        return _single_token(loaded.tokenizer, name)

    def text_of(token: int) -> str:
        return str(loaded.tokenizer.decode([token]))

    names = [text_of(token) for token in tokens.tolist()]
    return Prepared(d, language_target(target, d, token_of), names, Path(model).name, text_of)


def _tokens(model: LanguageModel, prompt: str) -> Tensor:
    tokens, longest = model.tokens(prompt)[0], model.bridge.cfg.n_ctx
    if not 0 < len(tokens) <= longest:
        raise UserError(f"the prompt has {len(tokens)} tokens; {model.name} reads 1 .. {longest}")
    return tokens


def _single_token(tokenizer: Any, name: str) -> int:
    ids = tokenizer(name, add_special_tokens=False).input_ids
    if ids == [tokenizer.unk_token_id] and name != tokenizer.unk_token:
        raise UserError(f"'{name}' is no token of this model; a logit is that of one, a leading space included")
    if len(ids) != 1:
        pieces = ", ".join(f"'{tokenizer.decode(token)}'" for token in ids)
        raise UserError(
            f"'{name}' is {len(ids)} tokens of this model ({pieces}); a logit is that of one, a leading space included"
        )
    return ids[0]

"""Targets as text: `logit:c4@12`, `feature:L2M/845@8`, `attention:L1H3@14,13`; `@P` counts positions from 1.

`logit-mean:` and `attention-mean:` subtract what the softmax ignores: the mean logit over the playable tiles (over
the vocabulary in language models), the mean score over the keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from interp.circuits.decomposition import Decomposition
from interp.circuits.targets import AttentionTarget, FeatureTarget, LogitTarget, Target
from interp.othello.notation import TOKEN_OF_SQUARE, parse_square, square_name
from interp.runs.errors import UserError

_LOGIT = re.compile(r"logit(-mean)?:(.+)@(\d+)", re.DOTALL)
_FEATURE = re.compile(r"(?:feature:)?L(\d+)([AM])/(\d+)@(\d+)")
_ATTENTION = re.compile(r"attention(-mean)?:L(\d+)H(\d+)@(\d+),(\d+)")


def othello_target(text: str, d: Decomposition) -> Target:
    """Parse a target of the Othello transformer. Raises UserError naming what is accepted."""

    def token_of(name: str) -> int:
        token = int(TOKEN_OF_SQUARE[parse_square(name)])
        if token < 0:
            raise UserError(f"{square_name(parse_square(name))} is a centre square, filled from the start; choose another")
        return token

    return _parse(text, d, token_of, tuple(range(60)), "logit:c4@12")


def language_target(text: str, d: Decomposition, token_of: Callable[[str], int]) -> Target:
    """Parse a target of a language model; `token_of` maps the text of a single token to its number."""
    return _parse(text, d, token_of, tuple(range(d.record.logits.shape[-1])), "logit: Paris@5")


def node_target(node: str, d: Decomposition) -> FeatureTarget:
    """The feature node `L2M/845@8` as a target. Raises UserError for other nodes: they have no inputs."""
    match = _FEATURE.fullmatch(node)
    if match is None:
        raise UserError(f"'{node}' has no inputs to trace; only features such as L2M/845@8 have")
    return _feature(match, d)


def _parse(text: str, d: Decomposition, token_of: Callable[[str], int], tokens: tuple[int, ...], example: str) -> Target:
    if match := _FEATURE.fullmatch(text):
        return _feature(match, d)
    if match := _ATTENTION.fullmatch(text):
        return _attention(match, d)
    if match := _LOGIT.fullmatch(text):
        centred, name, position = match.groups()
        return LogitTarget(token_of(name), _position(position, d), tokens if centred else (), name)
    raise UserError(f"'{text}' is no target; accepted are {example}, feature:L2M/845@8, attention:L1H3@14,13")


def _feature(match: re.Match[str], d: Decomposition) -> FeatureTarget:
    layer, kind, index, position = match.groups()
    site = f"L{int(layer)}{kind}"
    if site not in d.dictionaries:
        known = ", ".join(d.dictionaries) or "none"
        raise UserError(f"site {site} has no dictionary here; sites with one: {known}")
    width = d.dictionaries[site].W_dec.shape[0]
    if int(index) >= width:
        raise UserError(f"{site} has no feature {int(index)}; its features are 0 .. {width - 1}")
    return FeatureTarget(site, int(index), _position(position, d))


def _attention(match: re.Match[str], d: Decomposition) -> AttentionTarget:
    centred, layer, head, query, key = match.groups()
    layers, heads = len(d.network.layers), len(d.network.layers[0].attention.W_Q)
    if int(layer) >= layers or int(head) >= heads:
        raise UserError(f"there is no head L{layer}H{head}; layers are 0 .. {layers - 1} and heads 0 .. {heads - 1}")
    query_position, key_position = _position(query, d), _position(key, d)
    if key_position > query_position:
        raise UserError(f"query {query} cannot attend to the later key {key}; the query comes first, as in @14,13")
    return AttentionTarget(int(layer), int(head), query_position, key_position, bool(centred))


def _position(text: str, d: Decomposition) -> int:
    length = len(d.record.tokens)
    if not 1 <= int(text) <= length:
        raise UserError(f"@{text} lies outside the input; positions are 1 .. {length}")
    return int(text) - 1

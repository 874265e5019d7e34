"""A key-value cache that is written in place: a token costs its own row, where that of `transformers` copies the prefix.

At 500 tokens of SmolLM2-135M that copy was half of a token's time on a CPU.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import Tensor

_ROOM = 256
"""Least number of tokens there is room for."""


def roomy_cache() -> Any:
    """An empty cache of `transformers`. It is not told the model's config: what is never windowed can be cropped."""
    from transformers.cache_utils import Cache

    return Cache(layer_class_to_replicate=_layer_type())


@cache
def _layer_type() -> type:
    """A layer whose keys and values are views of buffers, doubled as they are full; `crop` shortens the views alone."""
    from transformers.cache_utils import DynamicLayer

    class RoomyLayer(DynamicLayer):
        _buffers: tuple[Tensor, ...] = ()

        def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                self._buffers = ()
            had = self.get_seq_length()
            length = had + key_states.shape[-2]
            if not self._is_in_place() or self._buffers[0].shape[-2] < length:
                self._buffers = _roomy(self.keys, key_states, 2 * length), _roomy(self.values, value_states, 2 * length)
            for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
                buffer[..., had:length, :] = states
            self.keys, self.values = (buffer[..., :length, :] for buffer in self._buffers)
            return self.keys, self.values

        def _is_in_place(self) -> bool:  # what reorders a batch puts other tensors in the place of our views
            return bool(self._buffers) and self.keys is not None and self.keys.data_ptr() == self._buffers[0].data_ptr()

    return RoomyLayer


def _roomy(held: Tensor | None, states: Tensor, tokens: int) -> Tensor:
    """A buffer for so many tokens like `states`, which begins with what is held."""
    batch, heads, _, width = states.shape
    buffer = states.new_empty(batch, heads, max(tokens, _ROOM), width)
    if held is not None and held.numel():
        buffer[..., : held.shape[-2], :] = held
    return buffer

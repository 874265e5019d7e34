"""What an MLP writes as features of what it reads (Dunefsky et al. 2024, arXiv 2406.11944; He et al., 2405.13868).

A transcoder reads the MLP's normalised input and decodes to the MLP's output, so a feature's input is a linear
function of the normalised stream. Trained with the BatchTopK rule and stored as SAELens' `jumprelu_transcoder`, which
computes exactly what was trained; SAELens has no transcoder with a k-largest activation. `transcoder` is its ReLU kind.
"""

from __future__ import annotations

from interp.dictionaries.jumprelu import JumpReluDictionary
from interp.dictionaries.relu import ReluDictionary


class ReluTranscoder(ReluDictionary):
    """All positive pre-activations are on."""

    architecture = "transcoder"


class JumpReluTranscoder(JumpReluDictionary):
    """Pre-activations above their feature's threshold pass unchanged."""

    architecture = "jumprelu_transcoder"


def is_transcoder(architecture: str) -> bool:
    """Whether dictionaries of SAELens' `architecture` read a module's input rather than its output."""
    return "transcoder" in architecture

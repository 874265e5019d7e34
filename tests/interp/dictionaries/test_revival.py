"""A revived feature points at an error of its site, starts afresh, and leaves the others alone."""

from __future__ import annotations

import pytest
import torch

from interp.dictionaries.bank import Bank
from interp.dictionaries.kinds import KINDS
from interp.dictionaries.revival import AT_ONCE, resample


@pytest.mark.parametrize("kind", ["topk", "transcoder"])
@torch.no_grad()
def test_resample(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    bank = Bank(2, 16, 64, generator=generator)
    written, read = torch.randn(2, 2, 300, 16, generator=generator)
    inputs = read if KINDS[kind].transcodes else None
    objective = KINDS[kind].objective(3, 0.0)
    bank.fit(written, inputs, objective)
    optimizer = torch.optim.Adam(bank.parameters())
    bank.backward(written, inputs, objective)
    optimizer.step()
    before = {name: tensor.clone() for name, tensor in bank.state_dict().items()}
    encoded, targets = bank.scaled(written, inputs)
    acts = objective.rule(bank.pre_activations(encoded), bank.threshold).activate(bank.pre_activations(encoded))
    errors = torch.nn.functional.normalize(targets - acts @ bank.decoder, dim=-1)[1]
    resample(bank, torch.tensor([[1, 5], [1, 9]]), written, inputs, objective, optimizer, generator)
    for feature in (5, 9):
        match = (errors @ bank.decoder[1, feature]).max(0)
        assert match.values == pytest.approx(1, abs=1e-5)
        towards = torch.nn.functional.cosine_similarity(encoded[1, match.indices], bank.encoder[1, feature], dim=0)
        assert kind == "topk" or towards == pytest.approx(1, abs=1e-5)
        assert not optimizer.state[bank.decoder]["exp_avg"][1, feature].any()
    bank.encoder[1, [5, 9]], bank.decoder[1, [5, 9]] = before["encoder"][1, [5, 9]], before["decoder"][1, [5, 9]]
    bank.encoder_bias[1, [5, 9]] = before["encoder_bias"][1, [5, 9]]
    bank.since_fired[1, [5, 9]] = before["since_fired"][1, [5, 9]]
    for name, tensor in bank.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_a_few_are_revived_at_a_time() -> None:
    generator = torch.Generator().manual_seed(1)
    bank = Bank(1, 16, 64, generator=generator)
    written = torch.randn(1, 300, 16, generator=generator)
    objective = KINDS["topk"].objective(3, 0.0)
    bank.fit(written, None, objective)
    optimizer = torch.optim.Adam(bank.parameters())
    bank.backward(written, None, objective)
    optimizer.step()
    before = bank.decoder.detach().clone()
    resample(bank, torch.tensor([[0, feature] for feature in range(40)]), written, None, objective, optimizer, generator)
    changed = (bank.decoder != before).any(-1)[0]
    assert int(changed[:40].sum()) == AT_ONCE and not changed[40:].any()

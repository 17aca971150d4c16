import sys

import pytest
import torch

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.errors import MissingTorchmilError, UnsupportedTorchmilError
from biomass_pipeline.mil.aggregators import build_aggregator, torchmil_models
from biomass_pipeline.mil.aggregators.torchmil_models import TORCHMIL_MODELS, TorchmilPool

HIDDEN = 8
TRAINING = TrainingConfig(hidden_dim=HIDDEN, attention_dim=4, n_heads=2)


@pytest.fixture
def library():
    return pytest.importorskip("torchmil.models", reason="the extra `torchmil` is not installed")


@pytest.mark.parametrize("name", ["ABMIL", "CLAM_SB", "DSMIL"])
@torch.no_grad()
def test_attention_is_what_the_model_pools_by(library, name):
    chance = torch.Generator().manual_seed(4)
    hidden = torch.randn(3, 6, HIDDEN, generator=chance)
    mask = torch.rand(3, 6, generator=chance) < 0.7
    mask[:, 2] = True
    summary = TorchmilPool(name, TRAINING)(hidden, mask, mask.float())
    expected = (summary.weight[..., None] * hidden).sum(dim=1)
    assert torch.allclose(summary.embedding, expected, atol=1e-5)
    assert torch.allclose(summary.weight.sum(dim=1), torch.ones(3), atol=1e-6)


@torch.no_grad()
def test_the_head_answers_for_the_models_own_last_layer(library):
    pool = TorchmilPool("ABMIL", TRAINING).eval()
    theirs = library.ABMIL(in_shape=(HIDDEN,), att_dim=4).eval()
    ours = {f"pool.{name}": value for name, value in pool.model.pool.state_dict().items()}
    theirs.load_state_dict(ours, strict=False)
    hidden, mask = torch.ones(2, 3, HIDDEN).cumsum(1), torch.ones(2, 3, dtype=torch.bool)
    embedding = pool(hidden, mask, mask / 3).embedding
    logit = theirs.classifier(embedding).squeeze(-1)
    assert torch.allclose(logit, theirs(hidden, mask), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("PatchGCN", "matrix of the tiles' neighbours"),
        ("SETMIL", "coordinates"),
        ("TransMIL", "positions"),
        ("DTFDMIL", "by chance"),
        ("IIBMIL", "how much each tile counts"),
        ("VAEABMIL", "autoencoder"),
        ("Nonsense", "no model of torchmil known here"),
    ],
)
def test_other_models_are_refused_with_the_reason(name, reason):
    training = TrainingConfig(aggregator=f"torchmil:{name}")
    with pytest.raises(UnsupportedTorchmilError, match=reason) as refusal:
        build_aggregator(training, torch.nn.Identity())
    assert "torchmil:ABMIL" in str(refusal.value)


def test_heads_that_do_not_divide_the_width_are_refused(library):
    training = TrainingConfig(hidden_dim=9, n_heads=2)
    with pytest.raises(UnsupportedTorchmilError, match="divisible by n_heads"):
        TorchmilPool("TransformerABMIL", training)


def test_every_model_is_either_adapted_or_refused_with_a_reason(library):
    models = {name for name in vars(library) if name[0].isupper()}
    adapted, refused = set(TORCHMIL_MODELS), set(torchmil_models._REFUSED)
    assert models == adapted | refused | {"MILModel", "MILModelWrapper"}
    assert not adapted & refused


def test_without_the_extra_it_is_missed_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmil.models", None)
    with pytest.raises(MissingTorchmilError, match=r"biomass-pipeline\[torchmil\]"):
        TorchmilPool("ABMIL", TRAINING)

"""Models of the optional library torchmil, by name, through one class.

torchmil's models end in one logit of a class. Here a model's last layer is taken off, so that it
gives the photo's embedding, and the house's head is asked instead. Losses of a model's own, which
need classes, are not used: CLAM_SB, which differs from ABMIL by such a loss only, is then the same,
and the direction by which DSMIL picks its critical tile stays as it was drawn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.errors import MissingTorchmilError, UnsupportedTorchmilError
from biomass_pipeline.mil.aggregators.pooled import Summary


@dataclass(frozen=True)
class TorchmilModel:
    """How a model of torchmil is made and read.

    Attributes:
        arguments: The configuration to the model's own arguments.
        last_layer: The layer from embedding to logit.
        normalised: Whether the attention it tells is after the softmax.
    """

    arguments: Callable[[TrainingConfig], Mapping[str, Any]]
    last_layer: str = "classifier"
    normalised: bool = False


def _attention(training: TrainingConfig) -> Mapping[str, Any]:
    return {"att_dim": training.attention_dim}


def _transformer(training: TrainingConfig) -> Mapping[str, Any]:
    return {
        "pool_att_dim": training.attention_dim,
        "transf_att_dim": training.hidden_dim,
        "transf_n_layers": training.n_layers,
        "transf_n_heads": training.n_heads,
    }


# Tried with torchmil 1.0.2: the laws of aggregators hold for these.
TORCHMIL_MODELS: Mapping[str, TorchmilModel] = {
    "ABMIL": TorchmilModel(_attention),
    "CLAM_SB": TorchmilModel(_attention),
    "DSMIL": TorchmilModel(_attention, last_layer="bag_classifier", normalised=True),
    "TransformerABMIL": TorchmilModel(_transformer, last_layer="last_layer"),
}

_NEEDS_GRAPH = "it needs a matrix of the tiles' neighbours"
_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("CAMIL", "DeepGraphSurv", "GTP", "PatchGCN", "SmABMIL"), _NEEDS_GRAPH),
    **dict.fromkeys(("SmTransformerABMIL", "SmoothABMIL", "ProbSmoothABMIL"), _NEEDS_GRAPH),
    "TransformerProbSmoothABMIL": _NEEDS_GRAPH,
    "SETMIL": "it needs the tiles' coordinates",
    "TransMIL": "it reads positions off the order of tiles (`transmil` does not)",
    "DTFDMIL": "it deals tiles out by chance, in prediction too",
    "IIBMIL": "it does not tell how much each tile counts",
    "VAEABMIL": "it needs an autoencoder trained beforehand",
}


class TorchmilPool(nn.Module):
    """A model of torchmil as a pool.

    Bags of one length go through the model together without padding: not all of its models
    leave padding out (DSMIL may pick a padded tile as its critical one). A tile's weight is the
    model's attention.
    """

    def __init__(self, name: str, training: TrainingConfig) -> None:
        """Build a model.

        Args:
            name: Its class in `torchmil.models`.
            training: Gives widths, layers and heads.

        Raises:
            MissingTorchmilError: The library cannot be imported.
            UnsupportedTorchmilError: There is no such model, or it needs more than tiles.
        """
        super().__init__()
        if name not in TORCHMIL_MODELS:
            raise _refusal(name, _REFUSED.get(name, "it is no model of torchmil known here"))
        self._model = TORCHMIL_MODELS[name]
        build = getattr(_torchmil_models(), name)
        try:
            self.model = build(in_shape=(training.hidden_dim,), **self._model.arguments(training))
        except AssertionError as error:
            # How torchmil says that widths and heads do not fit.
            raise _refusal(name, str(error)) from error
        setattr(self.model, self._model.last_layer, nn.Identity())

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Summary:  # noqa: ARG002  # attention replaces the area
        """Summarise bags; arguments as in `Aggregator`."""
        embedding = hidden.new_zeros(hidden.shape[0], hidden.shape[2], dtype=torch.float32)
        weight = hidden.new_zeros(mask.shape, dtype=torch.float32)
        lengths = mask.sum(dim=1)
        for n_tiles in sorted(set(lengths.tolist())):
            bag = (lengths == n_tiles).nonzero()
            tile = mask[bag[:, 0]].nonzero()[:, 1].view(-1, n_tiles)
            # `bag` is (bag, 1) and `tile` (bag, tile): together they pick the tiles that are there.
            embedding[bag[:, 0]], weight[bag, tile] = self._ask(hidden[bag, tile])
        return Summary(embedding=embedding, weight=weight)

    def _ask(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Tiles without padding to embeddings (bag, hidden) and attention (bag, tile)."""
        with torch.autocast(tiles.device.type, enabled=False):
            embedding, attention = self.model(tiles.float(), return_att=True)
            attention = attention.view(tiles.shape[:2])
            if not self._model.normalised:
                attention = torch.softmax(attention, dim=1)
            return embedding.view(len(tiles), -1), attention


def _refusal(name: str, reason: str) -> UnsupportedTorchmilError:
    return UnsupportedTorchmilError(name, reason=reason, supported=sorted(TORCHMIL_MODELS))


def _torchmil_models() -> Any:  # noqa: ANN401  # a module without types
    try:
        return import_module("torchmil.models")
    except ImportError as error:
        raise MissingTorchmilError(str(error)) from error

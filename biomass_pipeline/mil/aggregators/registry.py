"""Which aggregators there are, by the names of the configuration."""

from collections.abc import Callable, Mapping

from torch import nn

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.mil.aggregators.asking import AdditiveAggregator, PhotoAggregator
from biomass_pipeline.mil.aggregators.attention import Attention, LearnedQueries
from biomass_pipeline.mil.aggregators.pools import AreaMean, Maximum, MeanMaxGem
from biomass_pipeline.mil.aggregators.torchmil_models import TorchmilPool
from biomass_pipeline.mil.aggregators.transformer import ClassTokenTransformer

TORCHMIL = "torchmil:"

AggregatorBuilder = Callable[[TrainingConfig, nn.Module], nn.Module]


def _attention(training: TrainingConfig, *, gated: bool) -> Attention:
    return Attention(training.hidden_dim, attention_dim=training.attention_dim, gated=gated)


def _queries(training: TrainingConfig) -> LearnedQueries:
    return LearnedQueries(
        training.hidden_dim, n_queries=training.n_queries, n_heads=training.n_heads
    )


def _transformer(training: TrainingConfig) -> ClassTokenTransformer:
    return ClassTokenTransformer(
        training.hidden_dim, n_layers=training.n_layers, n_heads=training.n_heads
    )


AGGREGATORS: Mapping[str, AggregatorBuilder] = {
    "gated_attention": lambda training, head: PhotoAggregator(
        _attention(training, gated=True), head
    ),
    "attention": lambda training, head: PhotoAggregator(_attention(training, gated=False), head),
    "additive_density": lambda _training, head: AdditiveAggregator(AreaMean(), head),
    "additive_attention": lambda training, head: AdditiveAggregator(
        _attention(training, gated=True), head
    ),
    "mean": lambda _training, head: PhotoAggregator(AreaMean(), head),
    "max": lambda _training, head: PhotoAggregator(Maximum(), head),
    "mean+max+gem": lambda training, head: PhotoAggregator(MeanMaxGem(training.hidden_dim), head),
    "map": lambda training, head: PhotoAggregator(_queries(training), head),
    "transmil": lambda training, head: PhotoAggregator(_transformer(training), head),
}


def build_aggregator(training: TrainingConfig, head: nn.Module) -> nn.Module:
    """Build the configured aggregator, with fresh weights.

    Args:
        training: Names it, and gives widths, queries, heads and layers.
        head: Shape (..., hidden) to (..., output), >= 0.

    Returns:
        An `Aggregator`.

    Raises:
        MissingTorchmilError: A model of torchmil is asked for, which cannot be imported.
        UnsupportedTorchmilError: torchmil has no such model, or it needs more than tiles.
    """
    name = training.aggregator
    if name.startswith(TORCHMIL):
        return PhotoAggregator(TorchmilPool(name.removeprefix(TORCHMIL), training), head)
    return AGGREGATORS[name](training, head)

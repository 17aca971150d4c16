"""The two ways of asking a head: once a photo, or at each of its tiles."""

from torch import Tensor, nn

from biomass_pipeline.mil.aggregators.pooled import Pooled, Summary
from biomass_pipeline.mil.bags import require_tiles


class PhotoAggregator(nn.Module):
    """Asks the head about the pooled photo: `y = f(z)`.

    A tile's share is its weight in the pool times the prediction: where the network looked, not
    how much grows there.
    """

    def __init__(self, pool: nn.Module, head: nn.Module) -> None:
        """Put together.

        Args:
            pool: A `Pool`.
            head: Shape (..., hidden) to (..., output), >= 0.
        """
        super().__init__()
        self.pool, self.head = pool, head

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Pooled:
        """Aggregate bags; arguments and errors as in `Aggregator`."""
        require_tiles(mask)
        summary: Summary = self.pool(hidden, mask, area_weight)
        outputs: Tensor = self.head(summary.embedding)
        return Pooled(
            outputs=outputs,
            embedding=summary.embedding,
            shares=summary.weight[..., None] * outputs[:, None, :],
        )


class AdditiveAggregator(nn.Module):
    """Asks the head about each tile and adds up: `y = sum_k w_k f(h_k)`.

    The tile map sums to the prediction by construction (Javed et al. 2022, arXiv 2206.01794). With
    areas for weights, biomass is a measure on the photo: its value is the area-weighted sum of
    its halves'.
    """

    def __init__(self, pool: nn.Module, head: nn.Module) -> None:
        """Put together; arguments as in `PhotoAggregator`."""
        super().__init__()
        self.pool, self.head = pool, head

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Pooled:
        """Aggregate bags; arguments and errors as in `Aggregator`."""
        require_tiles(mask)
        summary: Summary = self.pool(hidden, mask, area_weight)
        density: Tensor = self.head(hidden)
        shares = summary.weight[..., None] * density
        return Pooled(outputs=shares.sum(dim=1), embedding=summary.embedding, shares=shares)

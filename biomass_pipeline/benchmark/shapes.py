"""The arithmetic of a vision transformer, counted from its sizes. No network is run here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """One linear layer of a block: rows of `inner` numbers become rows of `outer` numbers."""

    name: str
    inner: int
    outer: int


@dataclass(frozen=True)
class NetworkShape:
    """The sizes that decide what one tile costs.

    Attributes:
        patches: Patches of a tile.
        tokens: Patches, class token and registers.
        width: Numbers a token.
        depth: How many blocks.
        products: A block's linear layers, in order.
        patch_numbers: Numbers of a patch, which the first layer reads.
    """

    patches: int
    tokens: int
    width: int
    depth: int
    products: tuple[Product, ...]
    patch_numbers: int

    @property
    def block_flops(self) -> int:
        """Of the linear layers of one block for one tile; a multiplication and an addition are 2.

        >>> small = NetworkShape(4, 5, 2, 1, (Product("qkv", 2, 6), Product("proj", 2, 2)), 12)
        >>> small.block_flops
        160
        """
        return sum(2 * self.tokens * layer.inner * layer.outer for layer in self.products)

    @property
    def attention_flops(self) -> int:
        """Of one block's two products between tokens: scores, and the mean of values."""
        return 4 * self.tokens**2 * self.width

    @property
    def tile_flops(self) -> int:
        """Of the whole network for one tile: patch embedding, linear layers and attention.

        Norms, activations and the softmax are left out: they are a thousandth of it.
        """
        embedding = 2 * self.patches * self.patch_numbers * self.width
        return embedding + self.depth * (self.block_flops + self.attention_flops)

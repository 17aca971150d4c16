"""Field photos and weighed grams to honest, calibrated, always-current biomass predictions."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biomass_pipeline.inference.new_photos import predict

__version__ = "0.1.0"
__all__ = ["__version__", "predict"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # any public name
    if name != "predict":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    # Who only asks for the version pays for no model.
    from biomass_pipeline.inference.new_photos import predict  # noqa: PLC0415

    return predict

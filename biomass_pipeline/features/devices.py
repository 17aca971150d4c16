"""Which devices there are."""

from biomass_pipeline.errors import UnusableDeviceError


def usable_devices(configured: str) -> list[str]:
    """The configured device once it was tried; for `auto` every CUDA device, or `mps`, or `cpu`.

    Raises:
        UnusableDeviceError: This machine has no such device.
    """
    # Imported late: the UI and a run with nothing to do need no torch.
    import torch  # noqa: PLC0415

    if configured != "auto":
        try:
            torch.zeros(1, device=configured)
        except (RuntimeError, AssertionError) as error:
            raise UnusableDeviceError(configured, str(error).partition("\n")[0]) from error
        return [configured]
    if torch.cuda.is_available():
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ["mps" if torch.backends.mps.is_available() else "cpu"]

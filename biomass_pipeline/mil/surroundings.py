"""What PyTorch and Lightning are set to while a network is trained, and given back after."""

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

# cuBLAS sums in a fixed order only with a workspace of a fixed size.
_CUBLAS_VARIABLE, _CUBLAS_FIXED = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed PyTorch for initial weights and dropout, and give the caller's state back after."""
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's notices about hardware, and its use of what torch will drop.

    Lightning 2.6 asks `isinstance(treespec, LeafSpec)`, which torch 2.15 calls deprecated in a
    FutureWarning at every fit. It is Lightning's to mend; other categories of warning stay.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings(action="ignore", category=FutureWarning))
        logger = logging.getLogger("pytorch_lightning")
        stack.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.WARNING)
        yield


@contextmanager
def quiet_log_writers() -> Iterator[None]:
    """Keep what TensorBoard's writer dies of out of stderr.

    Its thread remembers the error, and raises it again where the next line is logged or the log is
    closed; the traceback that Python prints as the thread ends would be a second one.
    """
    before = threading.excepthook

    def hook(died: threading.ExceptHookArgs) -> None:
        if not type(died.thread).__module__.startswith("tensorboard."):
            before(died)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """PyTorch's threads on a CPU; None leaves them alone."""
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deterministic(*, wanted: bool) -> Iterator[None]:
    """Refuse operations whose result differs from run to run, if that is wanted."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    variable = os.environ.get(_CUBLAS_VARIABLE)
    os.environ.setdefault(_CUBLAS_VARIABLE, _CUBLAS_FIXED)
    torch.use_deterministic_algorithms(mode=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=before, warn_only=warn_only)
        if variable is None:
            os.environ.pop(_CUBLAS_VARIABLE, None)

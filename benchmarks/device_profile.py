"""Where a backbone's time goes on its device, by kind of work."""

from collections import defaultdict
from collections.abc import Callable

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

# Names of kernels and operators hold one of these; the first that fits counts.
KINDS = {
    "attention": ("flash", "fmha", "attention", "sdpa"),
    "matrix products": ("gemm", "nvjet", "cutlass", "addmm", "aten::mm", "mkldnn", "matmul"),
    "convolution": ("conv", "cudnn"),
    "norms": ("norm",),
    "copies": ("memcpy", "memset", "copy_", "aten::cat"),
    "element by element": (
        *("elementwise", "gelu", "aten::add", "aten::mul", "aten::div", "aten::sub"),
        *("triton", "reduce", "catarray"),
    ),
}


def time_by_kind(call: Callable[[], object], *, device: str) -> dict[str, float]:
    """The shares of a device's busy time by kind of work, and `busy`, its share of the wall time.

    On a CPU the shares are of the operators' own time, and `busy` is left out.

    Args:
        call: What to look at; run once before.
        device: Where it works.
    """
    on_gpu = device.startswith("cuda")
    call()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as seen:
        call()
    kind_of_device = DeviceType.CUDA if on_gpu else DeviceType.CPU
    spent: dict[str, float] = defaultdict(float)
    for event in seen.key_averages():
        if event.device_type == kind_of_device:
            own_us = event.self_device_time_total if on_gpu else event.self_cpu_time_total
            spent[_kind(event.key)] += own_us
    total_us = sum(spent.values()) or 1.0
    shares = {name: spent[name] / total_us for name in sorted(spent, key=spent.__getitem__)[::-1]}
    if not on_gpu:
        return shares
    return shares | {"busy": total_us / _wall_us(seen)}


def _kind(name: str) -> str:
    lower = name.lower()
    return next((kind for kind, words in KINDS.items() if any(w in lower for w in words)), "other")


def _wall_us(seen: profile) -> float:
    ranges = [event.time_range for event in seen.events()]
    return max(r.end for r in ranges) - min(r.start for r in ranges) or 1.0

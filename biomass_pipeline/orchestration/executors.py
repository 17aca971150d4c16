"""Where the steps of a server's run work: in the process of the run, or in one each."""

import dagster as dg

from biomass_pipeline.config import ComputeConfig

# Imported once by the server that steps are forked from: the graph, but nothing that starts
# threads or touches a device. Torch is loaded by the steps that need it.
PRELOADED = ("biomass_pipeline.orchestration",)


def executor_of(compute: ComputeConfig) -> dg.ExecutorDefinition:
    """The executor that the configuration names.

    Steps are never forked from a process that may have used a device: CUDA does not survive it.
    A forkserver is a fresh process that imports `PRELOADED` and does nothing else.
    """
    if compute.executor == "in_process":
        # A run is one small step after another; a process a step would cost more than the work.
        return dg.in_process_executor
    methods: dict[str, dict[str, object]] = {
        "forkserver": {"preload_modules": list(PRELOADED)},
        "spawn": {},
    }
    # A ridge beside a network; the heavy steps take turns in their pool.
    chosen = {compute.executor: methods[compute.executor]}
    return dg.multiprocess_executor.configured(
        {"start_method": chosen, "max_concurrent": 2}, name=compute.executor
    )

"""The job `everything`: what `biomass run` does, from the UI's launchpad."""

from collections.abc import Callable

import dagster as dg
from pydantic import Field

from biomass_pipeline.errors import BiomassError
from biomass_pipeline.orchestration.exclusion import exclusive
from biomass_pipeline.orchestration.postmortem import first_sentence
from biomass_pipeline.orchestration.runs import Graph
from biomass_pipeline.project import Project

EVERYTHING = "everything"
_CAUSE = "the job `everything`"


class Scope(dg.Config):
    """What is brought up to date. It decides what runs, never what comes out."""

    select: str = Field(
        default="",
        description="Assets, as `biomass run --select` takes them: `feature_cache+` is the caches "
        "and all that is made of them, `tuning` the search of settings. Empty: all but the "
        "optional groups validation and tuning; `*`: those as well.",
    )
    fold: str = Field(
        default="",
        pattern=r"^\d*$",
        description="A fold's number: its model and what that learns from. Empty: every fold.",
    )


def everything_job(project: Project, definitions: Callable[[], dg.Definitions]) -> dg.JobDefinition:
    """A job that looks at the sources, then runs what is stale, missing or deleted.

    Args:
        project: Whose files are looked at.
        definitions: Its graph, made where the job runs.
    """

    @dg.op(description="Observe the sources, then run what is stale, a stage and fold at a time.")
    def run_what_is_stale(context: dg.OpExecutionContext, config: Scope) -> None:
        graph = Graph(definitions(), context.instance, cause=_CAUSE)
        try:
            with exclusive(project.layout, context.instance):
                graph.observe()
                done = graph.run(
                    graph.select(
                        config.select or None, fold=int(config.fold) if config.fold else None
                    ),
                    on_step=lambda step: context.log.info(
                        "%s: %s", step.job, ", ".join(map(str, step.nodes))
                    ),
                    on_failure=lambda _, error: context.log.error(str(error)),
                )
        except BiomassError as error:
            raise dg.Failure(first_sentence(str(error)), allow_retries=False) from error
        context.log.info("%d materializations; everything asked for is up to date.", len(done))

    @dg.job(
        name=EVERYTHING,
        executor_def=dg.in_process_executor,
        config=dg.RunConfig(ops={"run_what_is_stale": Scope()}),
        description="Looks at photos, labels and settings, and runs whatever is stale, missing or "
        "deleted, from photos to report and submission. What is up to date is left alone. Each "
        "stage and fold is a run of its own, and a failure holds up only what needs it.",
    )
    def everything() -> None:
        run_what_is_stale()

    return everything

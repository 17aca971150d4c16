"""The job `everything`: what its launchpad offers decides what runs, and nothing else."""

import pytest

from biomass_pipeline.orchestration import build_definitions, open_instance
from biomass_pipeline.orchestration.everything import EVERYTHING, Scope
from biomass_pipeline.orchestration.exclusion import exclusive
from biomass_pipeline_tests.farm import build_farm


@pytest.fixture
def farm(tmp_path):
    farm = build_farm(tmp_path, n_sessions=4)
    farm.write(folds={"n_folds": 2})
    return farm


def launch(farm, **scope):
    """Run the job; its result, the other runs' assets, and what caused them."""
    project = farm.project()
    defs = build_definitions(project)
    with open_instance(project.layout) as instance:
        result = defs.resolve_job_def(EVERYTHING).execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"ops": {"run_what_is_stale": {"config": scope}}},
        )
        others = [run for run in instance.get_runs() if run.job_name != EVERYTHING]
    assets = {key.to_user_string() for run in others for key in run.asset_selection or ()}
    return result, assets, {run.tags.get("biomass/cause") for run in others}


def reason(result):
    (failed,) = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
    return failed.step_failure_data.error.message


@pytest.mark.slow
def test_it_runs_what_was_asked_for_once(farm):
    result, assets, causes = launch(farm, select="image_manifest")
    assert result.success
    assert assets == {"raw_images", "raw_labels", "training_config", "image_manifest"}
    assert causes == {"the job `everything`"}
    # It is up to date now, so only the sources are looked at.
    again, *_ = launch(farm, select="image_manifest")
    lines = [e for e in again.all_events if e.event_type_value == "STEP_SUCCESS"]
    assert again.success
    assert lines
    with open_instance(farm.project().layout) as instance:
        jobs = [run.job_name for run in instance.get_runs()]
    assert sorted(jobs) == ["everything", "everything", "observe", "observe", "prepare"]


@pytest.mark.slow
def test_what_there_is_none_of_is_said_in_a_sentence(farm):
    result, *_ = launch(farm, select="featur_cache")
    assert not result.success
    assert "featur_cache" in reason(result)


def test_a_command_at_work_is_said_in_a_sentence(farm):
    project = farm.project()
    with open_instance(project.layout) as instance, exclusive(project.layout, instance):
        pass
    with open_instance(project.layout) as instance, exclusive(project.layout, instance):
        result, assets, _ = launch(farm)
    assert not result.success
    assert assets == set()
    assert "biomass" in reason(result)


def test_the_launchpad_is_filled_in_and_every_field_says_what_it_does(farm):
    job = build_definitions(farm.project()).resolve_job_def(EVERYTHING)
    filled_in = {"select": "", "fold": ""}
    assert job.run_config["ops"] == {"run_what_is_stale": {"config": filled_in}}
    assert all(field.description.endswith(".") for field in Scope.model_fields.values())
    assert len(job.description.split()) > 20

"""The Dockerfile, what goes into the image, and the settings that it carries."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration.instance import SETTINGS, SETTINGS_VARIABLE, open_instance
from biomass_pipeline_tests.deployment.compose import DOCKER, REPOSITORY_ROOT, read_services

DOCKERFILE = (DOCKER / "Dockerfile").read_text()
STORAGE = {
    "DAGSTER_POSTGRES_HOST": "127.0.0.1",
    "DAGSTER_POSTGRES_PORT": "5432",
    "DAGSTER_POSTGRES_DB": "dagster",
    "DAGSTER_POSTGRES_USER": "dagster",
    "DAGSTER_POSTGRES_PASSWORD": "made-up",
}


def image_variables():
    joined = DOCKERFILE.replace("\\\n", " ")
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"(?m)^ENV (.*)$", joined))))


def program(name):
    beside = Path(sys.executable).with_name(name)
    if not beside.exists():
        pytest.skip(f"no {name} here")
    return str(beside)


def test_hadolint_finds_nothing():
    found = subprocess.run(
        [program("hadolint"), "--no-color", str(DOCKER / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 0, found.stdout


def test_the_image_runs_as_a_number_that_is_not_root():
    users = re.findall(r"(?m)^USER (\d+):(\d+)$", DOCKERFILE)
    assert users == [("10001", "10001")]
    assert DOCKERFILE.index("\nUSER") < DOCKERFILE.index("\nCMD")


def test_both_stages_stand_on_the_base_that_is_asked_for():
    assert re.findall(r"(?m)^FROM (\S+)", DOCKERFILE) == ["${BASE}", "${BASE}"]


def test_packages_are_those_of_the_constraints():
    installs = re.findall(r"pip install (.*?)(?:;|&&|\n\S)", DOCKERFILE.replace("\\\n", " "))
    assert len(installs) == 3
    for line in installs:
        assert "--constraint constraints.txt" in line or "/wheel/*.whl" in line, line


def test_only_what_the_image_is_made_of_reaches_the_builder():
    lines = (REPOSITORY_ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    kept = {line[1:] for line in rules if line.startswith("!")}
    copied = re.findall(r"(?m)^COPY (?!--from)(.*)$", DOCKERFILE)
    sources = {source for line in copied for source in line.split()[:-1]}
    assert all(any(s == k or s.startswith(f"{k}/") for k in kept) for s in sources)
    assert {"data", ".git", ".venv"}.isdisjoint(kept)


def test_requirements_are_those_of_the_project_and_its_extras():
    script = REPOSITORY_ROOT / "scripts" / "requirements.py"
    printed = subprocess.run(
        [sys.executable, str(script), "postgres,kubernetes"],
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.splitlines()
    assert {"dagster>=1.13", "dagster-postgres>=0.29", "dagster-k8s>=0.29"} <= set(printed)
    assert not [line for line in printed if line.startswith("pytest")]


def test_an_unknown_extra_is_named():
    script = REPOSITORY_ROOT / "scripts" / "requirements.py"
    done = subprocess.run(
        [sys.executable, str(script), "postgrex"],
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert "no extra called postgrex; there are dev, docs, formats, gs" in done.stderr


def test_the_image_is_told_what_the_compose_file_tells():
    given = {"DAGSTER_POSTGRES_PASSWORD": "made-up", "BIOMASS_PROJECT": "/srv"}
    code = read_services(given)["code"].environment
    image = image_variables()
    shared = set(code) & set(image)
    assert {"BIOMASS_CONFIG", "BIOMASS__ROOT", "DAGSTER_GRPC_PORT"} <= shared
    assert all(code[name] == image[name] for name in shared)
    # A verb in the container (`docker compose exec code biomass status`) asks the same storage.
    assert image[SETTINGS_VARIABLE] == image["DAGSTER_HOME"] + "/dagster.yaml"
    assert not [name for name in image if "PASSWORD" in name]


def test_containers_are_run_as_one_machine_is():
    settings = yaml.safe_load((DOCKER / "dagster.yaml").read_text())
    own = {"storage", "compute_logs", "run_launcher"}
    assert {name: settings[name] for name in settings.keys() - own} == SETTINGS


def test_dagster_understands_the_settings(tmp_path, monkeypatch):
    for name, value in STORAGE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_COMPUTE_LOGS", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text((DOCKER / "dagster.yaml").read_text())
    settings, _ = dagster_instance_config(str(tmp_path))
    assert settings["run_monitoring"]["enabled"] is True


def test_a_verb_in_a_container_uses_the_deployments_storage(tmp_path, monkeypatch):
    settings = {"storage": {"sqlite": {"base_dir": str(tmp_path / "shared")}}}
    file = tmp_path / "dagster.yaml"
    file.write_text(yaml.safe_dump(settings))
    layout = Layout(tmp_path / "artefacts")
    monkeypatch.setenv(SETTINGS_VARIABLE, str(file))
    with open_instance(layout) as instance:
        instance.add_dynamic_partitions("probe", ["a"])
    assert list((tmp_path / "shared").rglob("*.db"))
    # The deployment's file is read, never written; the project's own is not even made.
    assert yaml.safe_load(file.read_text()) == settings
    assert not (layout.dagster_home / "dagster.yaml").exists()

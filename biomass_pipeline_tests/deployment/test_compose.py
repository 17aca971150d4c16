"""compose.yaml: what a container may do, what it is told, and what must not be in it."""

import re
import shutil
import subprocess

import pytest

from biomass_pipeline_tests.deployment.compose import (
    COMPOSE,
    DOCKER,
    REPOSITORY_ROOT,
    interpolate,
    read_compose,
    read_services,
)

GIVEN = {"DAGSTER_POSTGRES_PASSWORD": "long-and-random", "BIOMASS_PROJECT": "/srv/biomass"}
OURS = {"migrate", "code", "webserver", "daemon"}
SERVICES = read_compose()["services"]
LASTING = sorted(set(SERVICES) - {"migrate"})


def example():
    lines = (DOCKER / ".env.example").read_text().splitlines()
    return dict(line.lstrip("#").split("=", 1) for line in lines if re.match(r"#?[A-Z_]+=", line))


def test_the_services_are_those_of_the_guide():
    assert set(SERVICES) == OURS | {"postgres"}
    assert set(read_services(GIVEN)) == OURS


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_is_watched_and_started_again(name):
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"]
    assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_have_no_more_rights_than_they_need(name):
    service = SERVICES[name]
    user, group = service["user"].split(":")
    assert int(user) > 1000
    assert int(group) > 1000
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_one_port_is_published_and_only_to_this_machine():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"webserver": ["127.0.0.1:${BIOMASS_PORT:-3000}:3000"]}
    assert read_compose()["networks"]["inside"]["internal"] is True
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    # The webserver is reached from outside; the graph reaches for weights, stores and webhooks.
    assert outside == {"webserver", "code"}


def test_a_gpu_and_photos_are_where_runs_are():
    gpu = read_compose(DOCKER / "compose.gpu.yaml")["services"]
    assert set(gpu) == {"code"}
    assert gpu["code"]["build"]["args"] == {"ACCELERATOR": "cuda"}
    (device,) = gpu["code"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    with_data = {name for name in OURS if "artefacts:/data" in SERVICES[name]["volumes"]}
    assert with_data == {"code"}
    project = next(each for each in SERVICES["code"]["volumes"] if isinstance(each, dict))
    assert project["read_only"] is True


def test_all_of_ours_see_the_same_logs_and_the_same_database():
    storage = [
        {key: value for key, value in service.environment.items() if "POSTGRES" in key}
        for service in read_services(GIVEN).values()
    ]
    assert all(each == storage[0] for each in storage)
    assert storage[0]["DAGSTER_POSTGRES_PASSWORD"] == "long-and-random"  # noqa: S105  # made up
    postgres = interpolate(SERVICES["postgres"]["environment"], GIVEN)
    assert postgres["POSTGRES_PASSWORD"] == storage[0]["DAGSTER_POSTGRES_PASSWORD"]
    assert postgres["POSTGRES_DB"] == storage[0]["DAGSTER_POSTGRES_DB"]
    assert all("logs:/opt/dagster/logs" in SERVICES[name]["volumes"] for name in OURS)


def test_tables_are_made_once_before_anyone_opens_them():
    conditions = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    assert conditions == {
        "postgres": {},
        "migrate": {"postgres": "service_healthy"},
        "code": {"migrate": "service_completed_successfully"},
        "webserver": {"code": "service_healthy"},
        "daemon": {"code": "service_healthy"},
    }


def test_there_is_no_password_in_any_file():
    assert example()["DAGSTER_POSTGRES_PASSWORD"] == ""
    for file in DOCKER.rglob("*"):
        if file.is_file() and file.name != ".env":
            found = re.findall(r"(?im)^\s*\w*password:\s*(?!\$\{|\{env)(\S+)", file.read_text())
            assert not found, file


def test_a_missing_password_stops_the_engine_with_what_to_do():
    with pytest.raises(KeyError, match="DAGSTER_POSTGRES_PASSWORD: put a long random password"):
        read_services(GIVEN | {"DAGSTER_POSTGRES_PASSWORD": ""})


def test_every_variable_of_the_file_is_in_the_example():
    # $$ is a dollar for the container's own shell.
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE.read_text()))
    assert asked == set(example())


def test_the_filled_in_example_is_for_nobody_else():
    secret = ["docker/.env", "docker/store.env"]
    ignored = subprocess.run(
        ["git", "check-ignore", *secret],  # noqa: S607  # developers have git
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    assert ignored.stdout.split() == secret
    assert "docker/*.env" in (REPOSITORY_ROOT / ".dockerignore").read_text().splitlines()


def test_a_health_check_reads_its_port_from_the_container():
    services = read_services(GIVEN)
    assert services["code"].health == (
        "sh",
        "-c",
        "dagster api grpc-health-check -p $DAGSTER_GRPC_PORT",
    )
    assert services["daemon"].health == ("dagster-daemon", "liveness-check")
    assert services["migrate"].health == ()


def test_dclint_finds_nothing():
    dclint = shutil.which("dclint")
    if dclint is None:
        pytest.skip("no dclint here (npx dclint --config docker/.dclintrc.yaml docker)")
    found = subprocess.run(
        [dclint, "--config", str(DOCKER / ".dclintrc.yaml"), "--max-warnings", "0", str(DOCKER)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 0, found.stdout

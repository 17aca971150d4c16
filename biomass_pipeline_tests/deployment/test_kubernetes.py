"""The values for Dagster's chart, held against what dagster-k8s and the Kubernetes client know."""

import re

import kubernetes.client
import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster_k8s import K8sRunLauncher
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict

from biomass_pipeline import __version__
from biomass_pipeline.orchestration.instance import SETTINGS
from biomass_pipeline_tests.deployment.compose import DOCKER, read_services

FOLDER = DOCKER / "kubernetes"
VALUES = yaml.safe_load((FOLDER / "values.yaml").read_text())
CODE = VALUES["dagster-user-deployments"]["deployments"][0]
LAUNCHER = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
# The sections of the chart, as its documentation lists them.
SECTIONS = {
    "global",
    "generatePostgresqlPasswordSecret",
    "postgresql",
    "dagsterWebserver",
    "dagsterDaemon",
    "dagster-user-deployments",
    "runLauncher",
    "additionalInstanceConfig",
    "telemetry",
    "rabbitmq",
    "redis",
    "flower",
}


def words(text):
    return set(text.split())


# What the chart reads below them, as its own schema names it: it refuses other keys of some
# sections and passes over those of others in silence.
POD = words(
    "image env envConfigMaps envSecrets annotations labels nodeSelector affinity tolerations "
    "podSecurityContext securityContext resources livenessProbe readinessProbe startupProbe "
    "volumeMounts volumes schedulerName"
)
SERVER = POD | words("deploymentLabels initContainerResources")
KEYS = {
    "dagsterWebserver": SERVER
    | words("replicaCount nameOverride pathPrefix service workspace enableReadOnly")
    | words("dbStatementTimeout dbPoolRecycle logLevel"),
    "dagsterDaemon": SERVER
    | words("enabled runCoordinator heartbeatTolerance runMonitoring runRetries sensors schedules"),
    "deployment": POD
    | words("name dagsterApiGrpcArgs codeServerArgs includeConfigInLaunchedRuns port")
    | words("deploymentNamespace initContainers sidecarContainers"),
    "postgresql": words(
        "image enabled postgresqlHost postgresqlUsername postgresqlPassword postgresqlDatabase "
        "postgresqlParams postgresqlScheme service"
    ),
    "k8sRunLauncher": words(
        "image imagePullPolicy jobNamespace loadInclusterConfig kubeconfigFile envConfigMaps "
        "envSecrets envVars volumeMounts volumes labels failPodOnRunFailure resources "
        "schedulerName securityContext runK8sConfig"
    ),
    "runK8sConfig": words(
        "containerConfig podSpecConfig podTemplateSpecMetadata jobSpecConfig jobMetadata"
    ),
}


def unread(values):
    """Keys of the values that the chart does not read, by section."""
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    sections = {name: values[name] for name in values if name in KEYS} | {
        "deployment": values["dagster-user-deployments"]["deployments"][0],
        "k8sRunLauncher": launcher,
        "runK8sConfig": launcher["runK8sConfig"],
    }
    return {name: odd for name, found in sections.items() if (odd := set(found) - KEYS[name])}


def model(name, content):
    """A Kubernetes object; a key that Kubernetes does not know is an error."""
    kind = getattr(kubernetes.client, name)
    return k8s_model_from_dict(kind, k8s_snake_case_dict(kind, content))


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def launcher_config():
    """The chart's section as it becomes the launcher's configuration."""
    given = {snake(key): value for key, value in LAUNCHER.items()}
    given["env_secrets"] = [each["name"] for each in given["env_secrets"]]
    given["run_k8s_config"] = {snake(k): v for k, v in given["run_k8s_config"].items()}
    return {
        **given,
        # What the chart adds itself.
        "service_account_name": "dagster",
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": VALUES["global"]["postgresqlSecretName"],
        "dagster_home": "/opt/dagster/dagster_home",
    }


def checked(config):
    return process_config(resolve_to_config_type(K8sRunLauncher.config_type()), config)


def test_the_chart_knows_every_section():
    assert set(VALUES) == SECTIONS


def test_every_key_below_them_is_one_that_the_chart_reads():
    assert unread(VALUES) == {}
    misspelt = {**VALUES, "dagsterDaemon": {**VALUES["dagsterDaemon"], "resource": {}}}
    assert unread(misspelt) == {"dagsterDaemon": {"resource"}}


def test_the_run_launcher_understands_its_section():
    assert VALUES["runLauncher"]["type"] == "K8sRunLauncher"
    result = checked(launcher_config())
    assert result.success, result.errors


def test_a_misspelt_key_of_the_run_launcher_is_found():
    assert not checked(launcher_config() | {"env_secret": []}).success


def test_kubernetes_understands_what_a_run_gets():
    run = LAUNCHER["runK8sConfig"]
    container = model("V1Container", {"name": "dagster", **run["containerConfig"]})
    assert container.resources.limits["nvidia.com/gpu"] == "1"
    assert container.security_context.run_as_user == 10001
    pod = model("V1PodSpec", {"containers": [], **run["podSpecConfig"]})
    assert pod.security_context.fs_group == 10001
    job = {"template": {"spec": {"containers": []}}, **run["jobSpecConfig"]}
    assert model("V1JobSpec", job).backoff_limit == 0


def test_a_misspelt_key_of_kubernetes_is_found():
    with pytest.raises(Exception, match="Unexpected keys in model class V1Volume"):
        model("V1Volume", {"name": "artefacts", "persistentVolume": {}})


def test_kubernetes_understands_the_code_location():
    volumes = [model("V1Volume", each) for each in CODE["volumes"]]
    mounts = [model("V1VolumeMount", each) for each in CODE["volumeMounts"]]
    assert {each.name for each in volumes} == {each.name for each in mounts}
    variables = [model("V1EnvVar", each) for each in CODE["env"]]
    assert all(each.value for each in variables)
    assert model("V1SecurityContext", CODE["securityContext"]).run_as_non_root is True
    model("V1PodSecurityContext", CODE["podSecurityContext"])
    model("V1ResourceRequirements", CODE["resources"])
    assert CODE["includeConfigInLaunchedRuns"] == {"enabled": True}


def test_claims_that_are_mounted_are_claims_that_are_made():
    claims = list(yaml.safe_load_all((FOLDER / "storage.yaml").read_text()))
    made = {model("V1PersistentVolumeClaim", each).metadata.name for each in claims}
    assert made == {each["persistentVolumeClaim"]["claimName"] for each in CODE["volumes"]}


def test_places_are_those_of_the_compose_file():
    given = {"DAGSTER_POSTGRES_PASSWORD": "made-up", "BIOMASS_PROJECT": "/srv"}
    code = read_services(given)["code"]
    variables = {each["name"]: each["value"] for each in CODE["env"]}
    for name in ("BIOMASS_CONFIG", "BIOMASS__ROOT"):
        assert variables[name] == code.environment[name]
    assert ["dagster", "api", "grpc", *CODE["dagsterApiGrpcArgs"]] == list(code.command)
    assert str(CODE["port"]) == code.environment["DAGSTER_GRPC_PORT"]


def test_runs_are_watched_and_queued_as_on_one_machine():
    assert {"telemetry": VALUES["telemetry"], **VALUES["additionalInstanceConfig"]} == SETTINGS


def test_one_image_of_this_version_is_used_everywhere():
    images = [VALUES["dagsterWebserver"]["image"], VALUES["dagsterDaemon"]["image"], CODE["image"]]
    assert all(image == images[0] for image in images)
    assert images[0]["tag"] == __version__


def test_there_is_no_password():
    assert "postgresqlPassword" not in VALUES["postgresql"]
    assert VALUES["generatePostgresqlPasswordSecret"] is False

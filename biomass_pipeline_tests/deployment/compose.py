"""The compose file as programs that can be started without an engine."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

import biomass_pipeline

REPOSITORY_ROOT = Path(biomass_pipeline.__file__).resolve().parents[1]
DOCKER = REPOSITORY_ROOT / "docker"
COMPOSE = DOCKER / "compose.yaml"
# ${NAME}, ${NAME:-default}, ${NAME:?message}, and $$ for a dollar.
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")


@dataclass(frozen=True)
class Service:
    """What a container would run."""

    command: tuple[str, ...]
    environment: dict[str, str]
    health: tuple[str, ...]


def interpolate(value, variables):
    """A compose value with its variables filled in, as the engine does it."""
    if isinstance(value, dict):
        return {key: interpolate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def one(match):
        name, kind, rest = match["name"], match["kind"], match["rest"] or ""
        if name is None:
            return "$"
        if variables.get(name):
            return variables[name]
        if kind == "?":
            raise KeyError(f"{name}: {rest}")
        return rest

    return _VARIABLE.sub(one, value)


def read_compose(file=COMPOSE):
    """The compose file as it is written, anchors resolved."""
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def read_services(variables, file=COMPOSE):
    """The commands, variables and health checks of the services that run our image."""
    services = interpolate(read_compose(file)["services"], variables)
    return {
        name: Service(
            command=tuple(service["command"]),
            environment={key: str(value) for key, value in service["environment"].items()},
            health=_health(service.get("healthcheck", {}).get("test", [])),
        )
        for name, service in services.items()
        if "command" in service
    }


def _health(test):
    if test[:1] == ["CMD-SHELL"]:
        return ("sh", "-c", test[1])
    return tuple(test[1:])

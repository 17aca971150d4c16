"""Runs the containers of docker/compose.yaml with buildah, where there is no engine for them.

Starts PostgreSQL of this machine, then each service of the compose file inside the image: its
command, user, variables and volumes are the compose file's, hosts and ports are 127.0.0.1's. Makes
photos, launches two jobs through the UI's GraphQL and asks every health check. Ends everything.

    python scripts/smoke_image.py [IMAGE]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from biomass_pipeline_tests.deployment.postgres import missing_postgres, started_cluster
from biomass_pipeline_tests.deployment.stack import SERVICES, Stack

MOUNTS = {"project": "/project:ro", "data": "/data", "logs": "/opt/dagster/logs"}
PHOTOS = """
from pathlib import Path
from biomass_pipeline.synthetic import SyntheticSpec, write_photos
write_photos(Path("/data/survey"), spec=SyntheticSpec(n_photos=24, n_sessions=6, n_states=2))
"""
SETTINGS = """
name: smoke
data: {images: photos, labels: train.csv}
folds: {n_folds: 2}
backbone: {name: colour-texture}
"""
_BEGAN = time.monotonic()


def say(*words: object) -> None:
    """Print with the seconds since the start."""
    print(f"{time.monotonic() - _BEGAN:6.1f} s ", *words, flush=True)


class ContainerStack(Stack):
    """The services of the compose file, each inside the image."""

    image_container = ""

    def prepare(self) -> None:
        """Make the tables with the image's own settings."""
        self.home.mkdir(parents=True, exist_ok=True)
        for folder in ("data", "logs"):
            # The image's user is nobody on this machine.
            (self.folder / folder).mkdir()
            (self.folder / folder).chmod(0o777)
        if self.call("migrate") != 0:
            raise SystemExit(self.log("migrate"))

    def inside(self, command: tuple[str, ...], variables: dict[str, str]) -> list[str]:
        """The command line that runs a command inside the image."""
        volumes = [f"{self.folder / name}:{target}" for name, target in MOUNTS.items()]
        return [
            *("buildah", "run", "--isolation", "chroot"),
            *(part for name, value in variables.items() for part in ("--env", f"{name}={value}")),
            *(part for volume in volumes for part in ("--volume", volume)),
            *(self.image_container, "--", *command),
        ]

    def _popen(
        self, name: str, command: tuple[str, ...], *, log: str | None = None
    ) -> subprocess.Popen[bytes]:
        places = {
            key: value for key, value in self._place(name).items() if key.endswith(("HOST", "PORT"))
        }
        variables = {**self._service(name).environment, **places, "BIOMASS_STACK": self.mark}
        with self._log(log or name).open("a") as file:
            return subprocess.Popen(
                self.inside(command, variables),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def buildah(*arguments: str) -> str:
    """What buildah prints."""
    return subprocess.run(
        ["buildah", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def smoke(stack: ContainerStack) -> None:
    """Up, healthy, and two jobs that end well."""
    stack.start()
    say("up:", ", ".join(SERVICES))
    for name in SERVICES:
        if not stack.healthy(name):
            raise SystemExit(f"{name} is not healthy\n{stack.log(f'{name}-health')}")
        say("healthy:", name)
    client = stack.client
    for job in ("observe", "prepare"):
        client.finished(client.launch(job))
        say("ended well:", job)
    newest = client.materializations("image_manifest")[0]
    say("image_manifest:", newest["metadata"]["dagster/row_count"], "rows")


def main() -> None:
    """Run the containers of an image, and clear everything away."""
    if why := missing_postgres():
        raise SystemExit(f"smoke: {why}")
    image = sys.argv[1] if len(sys.argv) > 1 else "biomass-pipeline:latest"
    container = buildah("from", image)
    try:
        with tempfile.TemporaryDirectory(prefix="biomass-smoke-") as folder:
            Path(folder).chmod(0o755)
            run(Path(folder), container)
    finally:
        buildah("rm", container)
    say("nothing is left")


def run(folder: Path, container: str) -> None:
    """Photos, PostgreSQL, stack."""
    project = folder / "project"
    project.mkdir()
    with started_cluster() as cluster:
        stack = ContainerStack(folder, project / "biomass.yaml", cluster)
        stack.image_container = container
        try:
            stack.prepare()
            say("tables made in PostgreSQL")
            made = stack.inside(("python", "-c", PHOTOS), {})
            subprocess.run(made, check=True, timeout=300)
            (folder / "data" / "survey").rename(folder / "survey")
            project.rmdir()
            (folder / "survey").rename(project)
            (project / "biomass.yaml").write_text(SETTINGS, encoding="utf-8")
            smoke(stack)
        finally:
            stack.stop()
            if left := stack.gone():
                raise SystemExit(f"left behind: {left}")


if __name__ == "__main__":
    main()

"""A farm as the README leaves it, and the ways to do what a page says."""

import shlex
import shutil
import subprocess

import pytest
from PIL import Image

from biomass_pipeline.cli import main
from biomass_pipeline.testing import write_tiny_survey

# As small as every stage bears. Pages say nothing of these, so they come as a user's variables.
SMALL = {
    "BACKBONE__NAME": "colour-texture",
    "TILING__TILE_PX": "16",
    "TILING__STRIDE_PX": "16",
    "TRAINING__EPOCHS": "2",
    "TRAINING__N_SEEDS": "1",
    "TRAINING__HIDDEN_DIM": "4",
    "TRAINING__ATTENTION_DIM": "4",
    "TRAINING__RIDGE__POOLINGS": "[mean]",
    "TRAINING__RIDGE__RELEVANCES": "[0.0]",
    "TRAINING__RIDGE__ALPHAS": "[0.1, 1.0]",
    "EVALUATION__PROTOCOLS__GROUP_SEEDS": "1",
    "EVALUATION__PROTOCOLS__LEARNING_CURVE": "[0.5]",
    "EVALUATION__N_DRAWS": "20",
    "EVALUATION__N_RESAMPLES": "100",
    "FOLDS__N_FOLDS": "2",
}
WELL = {None, 0, 3}  # done; done, and something is quarantined


def walk(fences, *, names):
    """Do what a page's blocks say, one after another, in the current folder.

    Args:
        fences: Blocks of one page.
        names: What its Python code has defined so far.
    """
    for fence in fences:
        if fence.reason:
            continue
        if fence.language == "python":
            # Our own pages. Line numbers of a failure are the page's.
            code = "\n" * (fence.line - 1) + fence.text
            exec(compile(code, fence.page, "exec"), names)  # noqa: S102  # as above
        elif fence.language in {"sh", "console"}:
            for command in fence.commands:
                obey(command, where=fence.where)


def obey(command, *, where):
    """Run a command: ours in this process, anything else in a shell."""
    verb, *words = shlex.split(command)
    if verb != "biomass":
        subprocess.run(["/bin/sh", "-c", command], check=True, timeout=60)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["biomass", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code in WELL, f"{where}: `{command}` ended with {ended.value.code}"


@pytest.fixture(scope="module")
def small():
    """Settings of the environment that make every run small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BIOMASS_CONFIG", raising=False)
        for name, value in SMALL.items():
            patch.setenv(f"BIOMASS__{name}", value)
        yield patch


@pytest.fixture(scope="module")
def field(tmp_path_factory, small):
    """Photos, a table of weights, and photos that nobody weighed: where a reader begins."""
    folder = tmp_path_factory.mktemp("docs") / "field"
    folder.mkdir()
    write_tiny_survey(folder)
    (folder / "biomass.yaml").unlink()
    (folder / "new").mkdir()
    # The photo that the README maps. Nobody weighed it.
    Image.new("RGB", (32, 16), (90, 120, 40)).save(folder / "photos" / "plot_a_1.jpg")
    for name in ("s0n1.png", "s4n0.png"):
        shutil.copy(folder / "photos" / name, folder / "new" / f"new_{name}")
    small.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
    return folder


@pytest.fixture
def copied(finished, tmp_path, monkeypatch):
    """A copy of the finished farm; the current folder is its own."""
    folder = tmp_path / finished.name  # its name is the project's
    shutil.copytree(finished, folder)
    monkeypatch.chdir(folder)
    return folder

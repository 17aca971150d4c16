"""Nothing that is loaded can run: the calls that would allow it are nowhere in our code."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import biomass_pipeline
from biomass_pipeline.config import Config
from biomass_pipeline.orchestration.graph import build_resources
from biomass_pipeline.orchestration.io_managers import ParquetTables
from biomass_pipeline.project import Project

ROOT = Path(biomass_pipeline.__file__).parents[1]
# What runs what it reads, whatever its arguments are.
NEVER = {
    *(f"pickle.{name}" for name in ("load", "loads", "Unpickler")),
    *(f"{module}.{name}" for module in ("dill", "cloudpickle") for name in ("load", "loads")),
    *("marshal.load", "marshal.loads", "shelve.open", "joblib.load", "joblib.dump"),
    *("pandas.read_pickle", "numpy.core.multiarray.load", "torch.jit.load", "torch.hub.load"),
    *("yaml.unsafe_load", "yaml.full_load", "yaml.unsafe_load_all", "yaml.full_load_all"),
    *("eval", "exec", "compile", "os.system", "os.popen", "subprocess.getoutput"),
    *("subprocess.getstatusoutput", "shutil.unpack_archive", "tempfile.mktemp"),
}
# What does so unless it is told not to, and by which argument.
UNLESS = {
    "torch.load": ("weights_only", {"True"}),
    "timm.models.load_state_dict": ("weights_only", {"True"}),
    "timm.models.load_checkpoint": ("weights_only", {"True"}),
    "yaml.load": ("Loader", {"yaml.SafeLoader", "yaml.CSafeLoader"}),
    "yaml.load_all": ("Loader", {"yaml.SafeLoader", "yaml.CSafeLoader"}),
}
# Methods, by their last name: of whatever object.
METHODS = {"to_pickle", "read_pickle", "extractall", "load_from_checkpoint"}
# What goes from a driver to the workers that it started itself, and is never a file. Ray sends its
# own messages in the same way, which is why a cluster is to be trusted like the code.
ALLOWED = {("biomass_pipeline/features/cluster_worker.py", "pickle.loads")}


def sources():
    """Our code, and the kernels that are written for Kaggle."""
    folders = ("biomass_pipeline", "benchmarks", "scripts")
    ours = [path for name in folders for path in (ROOT / name).rglob("*.py")]
    return sorted([*ours, *(ROOT / "biomass_pipeline").rglob("*.py.txt")])


def imported(tree: ast.Module) -> dict[str, str]:
    """What each name of a module stands for, by its full name."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            whole = {a.asname or a.name.partition(".")[0]: a for a in node.names}
            names |= {k: a.name if a.asname else k for k, a in whole.items()}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{full_name(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def dangers(text: str) -> Iterator[str]:
    """The calls in a module, by full name, that may run what they read."""
    tree = ast.parse(text)
    names = imported(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = full_name(node.func, names)
        given = {
            each.arg: each.value.value
            if isinstance(each.value, ast.Constant)
            else full_name(each.value, names)
            for each in node.keywords
        }
        argument, safe = UNLESS.get(name, ("", set()))
        if (
            name in NEVER
            or name.rpartition(".")[2] in METHODS
            or (argument and str(given.get(argument)) not in safe)
            or given.get("shell", False) is not False
            or given.get("allow_pickle", False) is not False
        ):
            yield name


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_call_may_run_what_it_reads(path):
    where = path.relative_to(ROOT).as_posix()
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".txt":
        text = re.sub(r"\$\w+", "None", text)
    found = set(dangers(text))
    assert found == {name for place, name in ALLOWED if place == where}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle\npickle.load(file)",
        "from pickle import loads as read\nread(data)",
        "import torch\ntorch.load(path)",
        "import torch as t\nt.load(path, weights_only=False)",
        "import torch\ntorch.load(path, weights_only=trusted)",
        "from timm.models import load_state_dict\nload_state_dict(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, allow_pickle=trusted)",
        "import joblib\njoblib.load(path)",
        "import pandas as pd\npd.read_pickle(path)",
        "table.to_pickle(path)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "import yaml\nyaml.load(text)",
        "import yaml\nyaml.unsafe_load(text)",
        "import subprocess\nsubprocess.run(text, shell=True)",
        "import os\nos.system(text)",
        "eval(text)",
        "exec(text)",
        "archive.extractall(folder)",
        "Module.load_from_checkpoint(path)",
    ],
)
def test_what_may_run_is_seen(text):
    assert len(list(dangers(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ntorch.load(path, weights_only=True)",
        "import numpy as np\nnp.load(path)",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
        "import yaml\nyaml.safe_load(text)",
        "import subprocess\nsubprocess.run(command, shell=False)",
        "import re\nre.compile(text)",
        "network.eval()",
    ],
)
def test_what_may_not_is_let_be(text):
    assert list(dangers(text)) == []


@pytest.mark.parametrize(
    ("package", "first_safe"),
    [
        # Before, `weights_only=True` could be got around (CVE-2025-32434).
        ("torch", "2.6"),
        # Before, a Parquet file could name a class to unpickle (CVE-2023-47248).
        ("pyarrow", "14.0.1"),
    ],
)
def test_no_release_is_allowed_whose_safe_loading_was_not(package, first_safe):
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (asked,) = [
        each
        for each in map(Requirement, declared["project"]["dependencies"])
        if each.name == package
    ]
    floors = [Version(part.version) for part in asked.specifier if part.operator == ">="]
    assert floors
    assert min(floors) >= Version(first_safe)


def test_what_has_no_manager_of_its_own_is_no_pickle():
    """Dagster's own default would pickle whatever passes between steps."""
    project = Project(None, (), (), Config())
    assert isinstance(build_resources(project)["io_manager"], ParquetTables)

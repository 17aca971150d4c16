import subprocess
import sys

from biomass_pipeline.mil import tuning

SAYS_WHERE = """
import sys
from pathlib import Path
from biomass_pipeline.mil.tuning import sqlite_url
print(sqlite_url(Path("/x/studies.db")), *sorted({"optuna", "torch"} & set(sys.modules)))
"""


def test_every_public_name_is_there():
    assert sorted(tuning.__all__) == tuning.__all__
    for name in tuning.__all__:
        assert getattr(tuning, name).__name__ == name


def test_saying_where_studies_are_loads_nothing_heavy():
    said = subprocess.run(
        [sys.executable, "-c", SAYS_WHERE], check=True, capture_output=True, text=True
    )
    assert said.stdout.strip() == "sqlite:////x/studies.db"

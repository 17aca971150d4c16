"""A season of photos that come, change, go and are half written: each content is embedded once.

`python benchmarks/soak.py` is the long form of it, which watches memory as well.
"""

import sys

import pytest

from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration import open_instance
from biomass_pipeline_tests.chaos.season import begun

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


def test_each_content_is_embedded_once_and_no_file_stays_open(tmp_path):
    with open_instance(Layout(tmp_path / "artefacts")) as instance:
        season = begun(tmp_path, instance, seed=0)
        season.pass_by(40)
    assert season.n_asked > 5
    assert season.embedded_over_met == 1
    assert season.more_descriptors() <= 0

"""Who is quarantined is told of once, whatever happens to tables and names."""

import pandas as pd
import pytest

from biomass_pipeline.orchestration.quarantine import LeftOut, untold
from biomass_pipeline.orchestration.sensors import quarantine_sensor
from biomass_pipeline_tests.farm import build_farm
from biomass_pipeline_tests.notices.servers import webhook_server
from biomass_pipeline_tests.orchestration.ticking import Ticking, storage


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    with storage(tmp_path_factory.mktemp("home")) as instance:
        yield instance


@pytest.fixture
def farm(tmp_path):
    return build_farm(tmp_path, n_sessions=3)


COLUMNS = ["image_id", "path", "sha256", "status", "reason"]


class TestQuarantine:
    @pytest.fixture
    def manifest(self, farm):
        def write(**reasons):
            rows = [
                [name, f"{name}.png", f"sha of {name}", "quarantined" if why else "ok", why]
                for name, why in reasons.items()
            ]
            path = farm.project().layout.table("image_manifest")
            path.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows, columns=COLUMNS).to_parquet(path)

        return write

    @pytest.fixture
    def hook(self, farm):
        with webhook_server() as received:
            farm.write(automation={"notify": {"webhook": received.url}})
            yield received

    @pytest.fixture
    def tick(self, hook, farm, instance):
        return Ticking(quarantine_sensor(farm.project()), instance)

    def test_each_photo_is_told_of_once_with_its_reason(self, tick, hook, manifest):
        manifest(a="", b="empty file", c="truncated: 3 of 9 bytes")
        assert tick.skipped() == "Told of 2 newly quarantined photos."
        assert tick.skipped() == "2 photos are quarantined, none of them new."
        manifest(a="", b="empty file", c="truncated: 3 of 9 bytes", d="not an image")
        tick()
        first, second = [content for _, _, content in hook.messages]
        assert first["title"] == "2 photos were quarantined"
        assert first["level"] == "warning"
        assert first["lines"][:2] == ["b.png: empty file", "c.png: truncated: 3 of 9 bytes"]
        assert second["title"] == "1 photo was quarantined"
        assert second["facts"] == {"photos": [{"path": "d.png", "reason": "not an image"}]}

    def test_what_flickers_is_not_told_of_again(self, tick, hook, manifest, farm):
        manifest(b="empty file")
        tick()
        farm.project().layout.table("image_manifest").unlink()
        assert tick.skipped() == "There is no image manifest yet."
        manifest(b="")
        tick()
        manifest(b="empty file")
        tick()
        assert len(hook.messages) == 1

    @pytest.mark.parametrize("content", [None, b"", b"PAR1 no more"])
    def test_a_missing_or_damaged_table_is_no_error(self, tick, farm, content):
        path = farm.project().layout.table("image_manifest")
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)
        assert tick.skipped() == "There is no image manifest yet."
        assert tick.cursor is None

    @pytest.mark.parametrize("cursor", ["{", "3", "null"])
    def test_a_cursor_that_cannot_be_read_tells_again(self, tick, manifest, cursor):
        manifest(b="empty file")
        tick.cursor = cursor
        assert tick.skipped() == "Told of 1 newly quarantined photos."

    def test_many_are_one_notice(self, tick, hook, manifest):
        manifest(**{f"p{number}": "empty file" for number in range(500)})
        tick()
        ((_, _, content),) = hook.messages
        assert content["title"] == "500 photos were quarantined"
        assert content["lines"][20] == "and 480 more, which the report lists."
        assert len(content["lines"]) == 22

    def test_content_counts_and_not_the_name(self):
        told = [LeftOut("a.png", "damaged: row 3", "sha").mark]
        renamed = LeftOut("b.png", "damaged: row 4", "sha")
        other = LeftOut("a.png", "damaged: row 3", "other sha")
        no_content = LeftOut("c.png", "label without photo", "")
        new, known = untold([renamed, other, other, no_content], told)
        assert new == [other, no_content]
        assert known == [*told, other.mark, no_content.mark]

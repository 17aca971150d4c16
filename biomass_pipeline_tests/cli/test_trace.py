"""What a run looked at is a listing: no name and no kind of file may keep it from being made."""

import os

from biomass_pipeline.cli.trace import look_at


def test_links_to_nowhere_and_names_that_are_no_text_are_counted(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"1")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"2")
    before = look_at(str(tmp_path), base=tmp_path)
    assert before.n_files == 4
    (tmp_path / "nowhere").write_bytes(b"3")
    assert look_at(str(tmp_path), base=tmp_path).stamp != before.stamp

"""The epochs of a fold's networks, read back from their logs."""

from biomass_pipeline.mil.history import read_histories

HEAD = "epoch,inner_error,inner_r2,learning_rate,step,train_loss"


def network(folder, number, *rows):
    folder.joinpath(f"seed_{number}.ckpt").touch()
    if rows:
        logs = folder / "logs" / f"seed_{number}" / "csv"
        logs.mkdir(parents=True)
        logs.joinpath("metrics.csv").write_text("\n".join([HEAD, *rows]) + "\n")


def test_each_network_that_was_logged_has_a_row_an_epoch(tmp_path):
    network(tmp_path, 0, "0,9.0,-1.5,0.1,0,0.7", "1,4.0,,0.1,1,0.3")
    network(tmp_path, 1)
    network(tmp_path, 2, "0,1.0,0.9,0.1,0,0.2")
    found = read_histories(tmp_path)
    assert list(found) == [0, 2]
    assert found[0]["train_loss"].tolist() == [0.7, 0.3]
    assert found[0]["inner_error"].tolist() == [9.0, 4.0]
    assert found[0]["inner_r2"].isna().tolist() == [False, True]


def test_logs_of_networks_that_are_not_there_are_left_out(tmp_path):
    network(tmp_path, 0, "0,9.0,-1.5,0.1,0,0.7")
    (tmp_path / "seed_0.ckpt").unlink()
    assert read_histories(tmp_path) == {}

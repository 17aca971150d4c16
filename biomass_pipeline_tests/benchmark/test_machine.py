"""A figure says where and with what it was taken."""

import subprocess
from types import SimpleNamespace

from biomass_pipeline.benchmark import describe_machine, machine, package_versions, source_commit


def test_the_machine_has_a_name_and_cores():
    facts = describe_machine(["cpu"])
    assert facts["processor"]
    assert facts["cores"] >= 1
    assert facts["gpus"] == []


def test_wide_instructions_are_named(tmp_path, monkeypatch):
    info = tmp_path / "cpuinfo"
    info.write_text("model name\t: A CPU\nflags\t: sse amx_bf16 avx2\n\nmodel name: B\n")
    monkeypatch.setattr(machine, "_CPU_INFO", info)
    facts = describe_machine([])
    assert facts["processor"] == "A CPU"
    assert facts["instructions"] == ["avx2", "amx_bf16"]


def test_a_system_that_tells_nothing_is_described_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CPU_INFO", tmp_path / "none")
    monkeypatch.setattr("os.sysconf", lambda _: (_ for _ in ()).throw(OSError))
    facts = describe_machine([])
    assert facts["processor"]
    assert facts["memory_gib"] == 0


def test_gpus_are_described(monkeypatch):
    gpu = SimpleNamespace(name="H200", total_memory=141 * 2**30, multi_processor_count=132)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: gpu)
    (facts,) = describe_machine(["cuda:0", "cpu"])["gpus"]
    assert (facts["name"], facts["memory_gib"]) == ("H200", 141)


def test_versions_name_what_is_installed():
    versions = package_versions()
    assert {"biomass-pipeline", "python", "numpy", "torch"} <= set(versions)


def test_a_checkout_has_a_commit_and_a_wheel_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "a" / "b" / "machine.py"))
    assert source_commit() == ""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@e"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run([*git, *words], check=True)
    clean = source_commit()
    assert len(clean) >= 7
    file = tmp_path / "file"
    file.write_text("")
    subprocess.run([*git, "add", "file"], check=True)
    assert source_commit() == f"{clean}+"


def test_a_machine_without_git_has_no_commit(monkeypatch):
    def missing(*words):
        raise FileNotFoundError

    monkeypatch.setattr(machine, "_git", missing)
    assert source_commit() == ""

"""What earlier versions wrote is read, or refused with the reason."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import ally_fast

pytest.importorskip("pyarrow", reason="needs pyarrow")
pytest.importorskip("torch", reason="needs torch")
from artefacts import write as artefacts

from ally_fast.cli import main

VERSIONS = sorted(path.name for path in artefacts.FOLDER.iterdir() if (path / "pool").is_dir())


def test_there_are_artefacts():
    assert "0.1.0" in VERSIONS


@pytest.fixture(params=VERSIONS)
def folder(request, tmp_path, monkeypatch):
    """Go to a copy of what a version wrote."""
    copy = shutil.copytree(artefacts.FOLDER / request.param, tmp_path / "saved")
    monkeypatch.chdir(copy)
    return copy


def select(*more):
    """Return the batch of the command line."""
    assert main(["select", *artefacts.POOL, *artefacts.SCORES, *more, "-o", "new.json"]) == 0
    with open("new.json") as file:
        return json.load(file)


def saved():
    with open("batch.json") as file:
        return json.load(file)


@pytest.mark.parametrize("batch", artefacts.BATCHES)
def test_batches_are_exclusions(folder, batch):
    option = "--exclude-indices" if batch.endswith(".npy") else "--exclude"
    found = select(option, batch)
    assert len(found["id"]) == artefacts.B
    assert not set(found["id"]) & set(saved()["id"])


def test_centroids_give_the_same_batch(folder):
    assert select("--centroids", "centroids.npy", "--radius", "0.01")["id"] == saved()["id"]


def test_a_job_is_where_the_next_round_starts(folder):
    found = select("--from", "job", "--job", "next", "--exclude", "batch.csv")
    np.testing.assert_array_equal(np.load("next/centroids.npy"), np.load("centroids.npy"))
    assert not set(found["id"]) & set(saved()["id"])


def test_a_job_goes_on_in_its_own_version_only(folder, capsys):
    arguments = ["select", *artefacts.POOL, *artefacts.SCORES, "--radius", "0.01", "--job", "job"]
    record = json.loads(Path("job/job.json").read_text())
    for version in {record["made_by"], "0.0.9"}:
        Path("job/job.json").write_text(json.dumps({**record, "made_by": version}))
        status = main([*arguments, "--force", "-o", "new.json"])
        told = f"the version of ally-fast was {version}, is" in capsys.readouterr().err
        assert (status != 0, told) == ((version != ally_fast.__version__,) * 2)


def test_a_checkpoint_gives_its_multipliers(folder):
    trainer, model, data = artefacts.training_run()
    trained = trainer.fit(model, data, checkpoint="run.pt")
    np.testing.assert_array_equal(np.asarray(trained.multipliers), np.load("multipliers.npy"))

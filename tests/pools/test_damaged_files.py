"""Damaged input files, through the command: the right batch, or one line that says which file."""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import ally_fast
from ally_fast.cli import main

N, D, K, B = 60, 4, 5, 12
MUTANTS = 300  # of each format
OPTIONS = {
    "embeddings": "--embeddings",
    "dual_scores": "--scores",
    "exclude": "--exclude",
    "labeled_embeddings": "--labeled",
    "centroids": "--centroids",
    "allocation": "--allocation",
}
COLUMNS = ("dual_scores", "exclude", "allocation")
ROLES = {"npy": tuple(OPTIONS), "npz": tuple(OPTIONS), "csv": COLUMNS, "json": COLUMNS}


def pieces():
    rng = np.random.default_rng(5)
    return {
        "embeddings": rng.normal(size=(N, D)).astype(np.float32),
        "dual_scores": rng.normal(size=N),
        "exclude": rng.choice(N, 9, replace=False),
        "labeled_embeddings": rng.normal(size=(3, D)),
        "centroids": rng.normal(size=(K, D)).astype(np.float32),
        "allocation": rng.integers(1, 9, size=K),
    }


def write(path, values):
    """Write `values` under the name "values", beside something else."""
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez_compressed(path, values=values, more=np.arange(3))
    elif path.suffix == ".csv":
        lines = [f"{order},{value}" for order, value in enumerate(values.tolist())]
        path.write_text("order,values\n" + "\n".join(lines) + "\n")
    else:
        path.write_text(json.dumps({"values": values.tolist(), "more": {"b": [1]}}))


def read(path):
    """Read the values as a few plain lines of Python do."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".npz":
        with path.open("rb") as file, np.load(file) as archive:  # which else stays open if damaged
            return archive["values"]
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *lines = csv.reader(file)
        texts = [line[header.index("values")] for line in lines if line]
        whole = not any(set(text) & set(".einfEINF") for text in texts)
        return np.array([int(text) if whole else float(text) for text in texts])
    return np.array(json.loads(path.read_bytes())["values"])


def mutated(content, rng):
    """Change a few bytes, half of the time near the beginning."""
    reach = len(content) if rng.random() < 0.5 else min(len(content), 160)
    place = int(rng.integers(reach))
    size = int(rng.integers(1, 9))
    noise = bytes(rng.integers(256, size=size, dtype=np.uint8))
    text = bytes(rng.choice(np.frombuffer(b"0123456789-+.,e\n\r\"'{}[]() LnNf_", np.uint8), size))
    rest = content[place + size :]
    return [
        content[:place]
        + bytes([content[place] ^ (1 << int(rng.integers(8)))])
        + content[place + 1 :],
        content[:place] + noise + rest,
        content[:place] + text + rest,
        content[:place] + text[:1] + content[place + 1 :],
        content[:place] + noise + content[place:],
        content[:place] + text[:1] + content[place:],
        content[:place] + rest,
        content[:place],
        content[:place] + content[place : place + size] + content[place:],
        content + text,
    ][int(rng.integers(10))]


def expected(values):
    """Return what `select` gives for values read otherwise, None if it refuses them."""
    radius = 0.4 if "labeled_embeddings" in values else None
    try:
        return ally_fast.select(**values, b=B, k=K, radius=radius)
    except (ValueError, TypeError):
        return None


@pytest.mark.parametrize("form", ROLES)
def test_mutants(form, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(11)
    arrays = pieces()
    np.save("pool.npy", arrays["embeddings"])
    np.save("duals.npy", arrays["dual_scores"])
    path = Path(f"mutant.{form}")
    key = "" if form == "npy" else ":values"
    accepted = 0
    for number in range(MUTANTS):
        role = ROLES[form][number % len(ROLES[form])]
        write(path, arrays[role])
        path.write_bytes(mutated(path.read_bytes(), rng))
        given = {"embeddings": "pool.npy", "dual_scores": "duals.npy", role: f"{path}{key}"}
        options = [part for name in given for part in (OPTIONS[name], given[name])]
        if role == "labeled_embeddings":
            options += ["--radius", "0.4"]
        command = ["select", *options, "-b", str(B), "-k", str(K), "-o", "batch.npy", "--quiet"]
        status = main([*command, "--force"])
        output = capsys.readouterr()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values = {**{name: arrays[name] for name in given}, role: read(path)}
        except Exception:  # whatever the plain reader trips over
            values = None
        wanted = None if values is None else expected(values)
        assert output.out == ""
        if status == 0:
            accepted += 1
            assert output.err == ""
            np.testing.assert_array_equal(np.load("batch.npy"), wanted)
        else:
            assert status == 2
            assert output.err.startswith(f"ally-fast: error: {OPTIONS[role]}"), output.err
            assert output.err.count(str(path)) == 1, output.err
            assert output.err.count("\n") == 1
            assert len(output.err) <= 300
    assert MUTANTS / 30 < accepted < MUTANTS / 2

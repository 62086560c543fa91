"""What we write for labeling tools, read by their own packages."""

import json
from pathlib import Path

import numpy as np
import pytest

import ally_fast
from ally_fast.cli import main

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

N, D, B, K = 200, 8, 20, 4

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(autouse=True)
def picks(tmp_path, monkeypatch):
    """Work in a folder with a pool; return what is chosen of it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    rows, scores = rng.normal(size=(N, D)).astype(np.float32), rng.random(N)
    columns = {
        "emb": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), D),
        "image_id": [f"β {i}" for i in range(N)],
        "score": scores,
        "text": [f'say "{i}",\nplease' for i in range(N)],
        "image": [f"cats/{i}.jpg" for i in range(N)],
        "width": np.full(N, 640),
        "height": np.full(N, 480),
        "taken": pa.array(np.arange(N) * 10**9, pa.timestamp("ns")),
    }
    pq.write_table(pa.table(columns), "pool.parquet")
    return ally_fast.select(rows, scores, B, K)


def select(*options, out):
    command = ["select", "pool.parquet", "--column", "emb", "--ids", ":image_id", "--quiet"]
    command += ["--scores", ":score", "-b", str(B), "-k", str(K), "-o", out]
    assert main([*command, *options]) == 0


CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="kind" toName="image"><Choice value="cat"/><Choice value="dog"/></Choices>
</View>
"""


def test_label_studio_imports_the_tasks_and_its_export_is_excluded(picks):
    sdk = pytest.importorskip("label_studio_sdk", reason="needs label-studio-sdk")
    interface = pytest.importorskip("label_studio_sdk.label_interface").LabelInterface(CONFIG)
    converter = pytest.importorskip("label_studio_sdk.converter").Converter
    select("--format", "label-studio", "--keep", "image,taken", out="tasks.json")
    tasks = json.loads(Path("tasks.json").read_text())
    assert [task["data"]["image_id"] for task in tasks] == [f"β {i}" for i in picks]
    requests = [sdk.ImportApiRequest(**task) for task in tasks]
    assert all(interface.validate_task({"data": request.data}) for request in requests)
    result = {"from_name": "kind", "to_name": "image", "type": "choices"}
    export = []
    for number, task in enumerate(tasks):
        labels = [{**result, "value": {"choices": ["cat"]}}]
        annotation = {"id": number, "result": labels, "was_cancelled": False, "completed_by": 1}
        export.append({"id": number, **task, "annotations": [annotation] * (number < 12)})
    Path("export.json").write_text(json.dumps(export))
    read = converter(CONFIG, ".").iter_from_json_file("export.json")
    read = [item for item in read if item["output"]]  # the labeled ones
    assert len(read) == 12
    assert [item["input"]["image_id"] for item in read] == [f"β {i}" for i in picks[:12]]
    select("--exclude", "export.json", out="second.txt")
    second = set(Path("second.txt").read_text().splitlines())
    assert not second & {item["input"]["image_id"] for item in read}
    assert second & {f"β {i}" for i in picks[12:]}


def test_cvat_takes_the_files(picks):
    models = pytest.importorskip("cvat_sdk", reason="needs cvat-sdk").models
    select("--format", "cvat", "--keep", "image", out="files.txt")
    files = Path("files.txt").read_text().splitlines()
    request = models.DataRequest(
        image_quality=70, server_files=files, sorting_method=models.SortingMethod("predefined")
    )
    assert request.to_dict()["server_files"] == [f"cats/{i}.jpg" for i in picks]


def test_cvat_manifest_is_as_its_specification_says(picks):
    """The reader is part of CVAT's server, which is on no index of packages."""
    options = ("--keep", "image,width,height", "--data-column", "image")
    select("--format", "cvat", *options, out="manifest.jsonl")
    version, kind, *images = map(json.loads, Path("manifest.jsonl").read_text().splitlines())
    assert version == {"version": "1.1"}
    assert kind == {"type": "images"}
    assert [image["name"] + image["extension"] for image in images] == [
        f"cats/{i}.jpg" for i in picks
    ]
    for image in images:
        assert isinstance(image["width"], int)
        assert isinstance(image["height"], int)


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv", "prodigy"])
def test_hugging_face_datasets(form, picks, tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    name = f"batch.{'jsonl' if form == 'prodigy' else form}"
    options = ("--data-column", "text") if form == "prodigy" else ()
    select("--format", form, "--keep", "text,width,taken", *options, out=name)
    builder = {"jsonl": "json", "prodigy": "json"}.get(form, form)
    read = datasets.load_dataset(
        builder, data_files=name, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert read["text"][:] == [f'say "{i}",\nplease' for i in picks]
    if form == "prodigy":
        assert [meta["image_id"] for meta in read["meta"]] == [f"β {i}" for i in picks]
        return
    assert read["id"][:] == [f"β {i}" for i in picks]
    assert read["index"][:] == picks.tolist()
    np.testing.assert_array_equal(
        read["score"][:], pq.read_table("pool.parquet")["score"].to_numpy()[picks]
    )
    if form == "parquet":
        assert read.features["taken"].dtype == "timestamp[ns]"

"""The page that explains a batch is one file, whole and safe."""

import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import ally_fast
from ally_fast.report import evidence, facts, write_report
from ally_fast.report.facts import shown_command

pytest.importorskip("bokeh", reason="needs bokeh")
pytest.importorskip("jinja2", reason="needs jinja2")
pa = pytest.importorskip("pyarrow", reason="needs pyarrow")

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7 * 7 }}"


class Page(HTMLParser):
    """The tags, texts and scripts of a page."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.texts, self.scripts = [], [], []
        self._inside = None
        self.feed(content.decode())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    @property
    def rows(self):
        names = [given.get("id", tag) for tag, given in self.tags]
        after = names[names.index("picks") + 1 :]
        return after[: after.index("table")].count("tr") - 1

    @property
    def charts(self):
        return json.loads(self.scripts[0])


def report(pool, scores, b=20, k=5, **options):
    batch, info = ally_fast.select(pool, scores, b, k, return_info=True, **options)
    file = io.BytesIO()
    write_report(file, pool, scores, batch, info, **options)
    return Page(file.getvalue()), batch, info


@pytest.fixture
def pool(rng):
    return rng.normal(size=(300, 6)), rng.random(300)


def table_pool(embeddings, **columns):
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), embeddings.shape[1])
    table = pa.table({"emb": vectors, **columns})
    keep = [name for name in columns if name != "id"]
    return ally_fast.open_pool(table, column="emb", ids="id", keep=keep)


def test_the_page_tells_what_was_asked_and_what_came(pool):
    page, _, info = report(*pool, radius=0.2, exclude=np.arange(30))
    assert "20 rows to label, chosen from 300" in page.text
    assert "270 rows could be chosen." in page.text
    assert "all 300 rows" not in page.text
    assert "all 270 rows that could be chosen and 30 rows that were excluded" in page.text
    assert "within 0.2, the requested radius." in page.text
    assert "exclude 30 values" in page.text
    assert f"ally_fast {ally_fast.__version__}" in page.text
    assert page.rows == 20
    assert [len(chart["doc"]["roots"]) for chart in page.charts] == [1] * 5
    assert info.engine in page.text


def test_nothing_is_fetched(pool):
    page, _, _ = report(*pool)
    assert not [tag for tag, given in page.tags if given.keys() & {"src", "href", "srcset"}]
    policy = next(given["content"] for _, given in page.tags if "http-equiv" in given)
    assert policy.startswith("default-src 'none'; img-src data: blob:;")
    assert "@import" not in page.text


def test_texts_of_users_are_escaped(pool):
    embeddings, scores = pool
    columns = {
        "id": [f"{i}{HOSTILE}" for i in range(300)],
        "caption": [HOSTILE] * 300,
        f"name{HOSTILE}": [HOSTILE] * 300,
        "image": [f"data:image/svg+xml;base64,{HOSTILE}"] * 300,
    }
    groups = np.array([HOSTILE, "b"])[np.arange(300) % 2]
    page, batch, _ = report(
        table_pool(embeddings, **columns),
        scores,
        groups=groups,
        max_per_group={HOSTILE: 15, "b": 9},
    )
    assert sum(tag == "script" for tag, _ in page.tags) == 3
    assert not [given for _, given in page.tags if "onerror" in given or "onload" in given]
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert page.text.count(" ".join(HOSTILE.split())) >= 40
    assert f"{batch[0]}{HOSTILE}"[:80] in texts_in(page.charts[0])


def texts_in(content):
    """Return all texts in JSON."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        return [text for item in content for text in texts_in(item)]
    return [content]


def test_groups_and_costs_are_told(pool):
    groups = np.array(["rear", "front", "left"])[np.arange(300) % 3]
    page, batch, _ = report(
        *pool,
        groups=groups,
        min_per_group={"left": 9},
        max_per_group=10,
        cost=np.full(300, 2.5),
        cost_budget=45,
    )
    assert len(batch) == 18
    left = sum(groups[batch] == "left")
    assert f"left {left} 100 at least 9, at most 10" in page.text
    assert "cost 45 of 45" in page.text


def test_groups_of_which_no_row_is_left_are_told(pool):
    page, _, _ = report(
        *pool, 0, groups=np.arange(300) % 2, max_per_group=3, exclude=np.arange(300)
    )
    assert "0 rows could be chosen." in page.text


def test_a_batch_smaller_than_asked_can_be_told(pool):
    groups = np.arange(300) % 2
    options = {"groups": groups, "min_per_group": 4, "cost": np.ones(300), "cost_budget": 12}
    batch, info = ally_fast.select(*pool, 20, 5, return_info=True, **options)
    assert len(batch) == 12
    file = io.BytesIO()
    write_report(file, *pool, batch, info, b=20, **options)
    assert "Arguments b 20 k 5" in Page(file.getvalue()).text


def test_kept_pictures_and_texts_are_in_the_table(pool):
    image = pytest.importorskip("PIL.Image", reason="needs pillow")
    file = io.BytesIO()
    image.new("RGB", (200, 200), "red").save(file, "PNG")
    columns = {
        "id": [f"im-{i}" for i in range(300)],
        "image": [file.getvalue()] * 300,
        "uri": [f"https://example.org/{i}.jpg" for i in range(300)],
    }
    page, batch, _ = report(table_pool(pool[0], **columns), pool[1])
    pictures = [given["src"] for tag, given in page.tags if tag == "img"]
    assert len(pictures) == 20
    assert all(src.startswith("data:image/jpeg;base64,") for src in pictures)
    links = [given["href"] for tag, given in page.tags if tag == "a"]
    assert links == [f"https://example.org/{i}.jpg" for i in batch]
    assert f"im-{batch[0]}" in page.text


def test_kept_columns_may_have_the_names_of_ours(pool):
    columns = {"id": np.arange(300), "score": [f"grade {i}" for i in range(300)]}
    columns["order"] = [f"before {i}" for i in range(300)]
    page, batch, info = report(table_pool(pool[0], **columns), pool[1])
    first = batch[0]
    told = f"0 grade {first} before {first} {first} {first} {info.scores[0]:.6g}"
    assert told in page.text


WRONG = {
    "of another pool": (lambda batch: batch + 300, ValueError, "indices: got"),
    "not all": (lambda batch: batch[:-1], ValueError, "indices: got 19, but info describes 20"),
    "a mask": (lambda batch: np.isin(np.arange(300), batch), TypeError, "indices"),
    "floats": (lambda batch: batch + 0.5, TypeError, "indices: got float64"),
    "a table": (lambda batch: batch[:, None], ValueError, "indices"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_batch_that_is_none_of_the_pool_is_refused(case, pool):
    change, error, message = WRONG[case]
    batch, info = ally_fast.select(*pool, 20, 5, return_info=True)
    with pytest.raises(error, match=message) as raised:
        write_report(io.BytesIO(), *pool, change(batch), info)
    assert len(str(raised.value)) < 300
    with pytest.raises(ValueError, match="info: has centroids of 6 dimensions, but the pool"):
        write_report(io.BytesIO(), pool[0][:, :5], pool[1], batch, info)


def test_only_the_first_picks_are_in_the_table(pool, monkeypatch):
    monkeypatch.setattr(facts, "MOST_PICKS", 7)
    page, _, _ = report(*pool)
    assert page.rows == 7
    assert "The table shows the first 7 of 20; the batch's file has all of them." in page.text


def test_a_sample_is_told_to_be_one(pool, monkeypatch):
    monkeypatch.setattr(evidence, "_MOST_SAMPLED", 120)
    monkeypatch.setattr(evidence, "_MOST_COMPARED", 8)
    page, _, _ = report(*pool)
    text = "120 random rows of the 300 that could be chosen, with the first 8 picks"
    assert text in page.text
    assert "Measured on 120 rows and 8 picks of each batch." in page.text


def test_a_function_that_scores_is_told_with_what_it_leaves_out(pool, monkeypatch):
    monkeypatch.setattr(evidence, "_MOST_SAMPLED", 120)
    page, _, _ = report(pool[0], lambda rows: rows[:, 0])
    assert (
        "A function computes the scores, so the pool here is only the 120 rows of the map."
        in page.text
    )
    assert "The best rows by score alone are not known" in page.text
    assert "best by score" not in page.text.replace("best rows by score alone are not known", "")
    known, _, _ = report(pool[0], pool[0][:, 0])
    assert "Scores of the 300 rows that were not excluded, and of the picks." in known.text
    assert "are not known" not in known.text
    assert "the best rows by score alone" in known.text


def test_rows_near_labeled_ones_could_not_be_chosen(pool):
    options = {"radius": 1.0, "labeled_embeddings": pool[0][:30], "exclude": np.arange(10)}
    page, _, info = report(*pool, groups=np.zeros(300, int), max_per_group=20, **options)
    assert info.eligible_rows < 270
    assert f"{info.eligible_rows} rows could be chosen." in page.text
    assert f"all {info.eligible_rows} rows that could be chosen" in page.text
    assert "width:100.0%" in str(page.tags)
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", str(page.tags))]
    assert max(widths) <= 100


def test_numbers_of_numpy_are_told_as_numbers(pool):
    page, _, _ = report(*pool, seed=np.int64(3), radius=np.float32(0.25), chunk_rows=np.int32(77))
    assert "seed 3 radius 0.25 chunk_rows 77" in page.text


EXTREMES = {
    "large rows": (1e140, np.arange(300) / 300),
    "small rows": (1e-140, np.arange(300) / 300),
    "neighbouring scores": (1, np.where(np.arange(300) % 2, 1.0, np.nextafter(1, 2))),
    "wide scores": (1, np.where(np.arange(300) % 2, 1.7e308, -1.7e308)),
}


@pytest.mark.parametrize("case", EXTREMES)
def test_extreme_numbers(case, rng):
    scale, scores = EXTREMES[case]
    for k in (4, 12):
        page, _, _ = report(rng.normal(size=(300, 5)) * scale, scores, 20, k)
        assert not re.search("NaN|Infinity", page.scripts[0])


CORNERS = {
    "no picks": (50, 3, 0, 4),
    "one row": (1, 3, 1, 1),
    "one pick": (50, 3, 1, 3),
    "one feature": (50, 1, 5, 12),
    "all rows": (50, 3, 50, 12),
}


@pytest.mark.parametrize("case", CORNERS)
def test_corners(case, rng):
    n, d, b, k = CORNERS[case]
    page, _, _ = report(rng.normal(size=(n, d)), np.zeros(n), b, k)
    assert page.rows == b
    assert not re.search("NaN|Infinity", page.scripts[0])


def test_rows_that_cannot_be_used_do_no_harm(rng):
    embeddings = rng.normal(size=(100, 4)).astype(np.float32)
    embeddings[:20] = np.nan
    scores = rng.random(100)
    scores[:20] = np.nan
    page, _, _ = report(embeddings, scores, exclude=np.arange(20), metric="cosine")
    assert "all 80 rows that could be chosen." in page.text


def test_the_same_rows_and_texts_twice(pool):
    one, other = (report(*pool)[0] for _ in range(2))
    assert one.text.split("Time")[0] == other.text.split("Time")[0]


def test_a_file_appears_whole_or_not_at_all(tmp_path, pool):
    batch, info = ally_fast.select(*pool, 20, 5, return_info=True)
    path = tmp_path / "report.html"
    with pytest.raises(ValueError, match="dual_scores: got 299"):
        write_report(path, pool[0], pool[1][1:], batch, info)
    assert list(tmp_path.iterdir()) == []
    write_report(path, *pool, batch, info)
    assert path.read_bytes().endswith(b"</html>")
    with pytest.raises(FileExistsError):
        write_report(path, *pool, batch, info)
    write_report(path, *pool, batch, info, force=True)
    with pytest.raises(OSError, match=r"extension must be one of \.html"):
        write_report(tmp_path / "report.pdf", *pool, batch, info)


def test_tensors_are_told_as_arrays_are(pool):
    torch = pytest.importorskip("torch", reason="needs torch")
    expected, batch, _ = report(*pool, exclude=[3, 4])
    found, tensor, _ = report(*map(torch.from_numpy, pool), exclude=torch.tensor([3, 4]))
    assert tensor.tolist() == batch.tolist()
    assert found.charts[0]["doc"].keys() == expected.charts[0]["doc"].keys()
    assert found.text.split("Time")[0] == expected.text.split("Time")[0]


@pytest.mark.gpu
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_rows_on_a_device_are_told_as_those_of_the_host(metric, pool):
    from ally_fast import _cuda

    embeddings, scores = pool[0].astype(np.float32), pool[1]
    held = [_cuda.DeviceArray.from_host(array, _cuda.Stream(0)) for array in (embeddings, scores)]
    found, _, info = report(*held, metric=metric, exclude=np.arange(20))
    expected, _, _ = report(embeddings, scores, metric=metric, exclude=np.arange(20))
    assert info.device.startswith("cuda")
    assert found.text.split("Arguments")[0] == expected.text.split("Arguments")[0]


def test_secrets_are_not_shown():
    words = ["ally-fast", "select", "s3://key:secret@host/pool?token=abc", "--storage-options"]
    words += ['{"secret": "hush"}', "-b", "5"]
    assert shown_command(words) == [
        *("ally-fast", "select", "s3://…@host/pool?…", "--storage-options", "…", "-b", "5"),
    ]
    assert shown_command(['--storage-options={"key": 1}']) == ["--storage-options=…"]

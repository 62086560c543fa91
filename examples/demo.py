"""Two labeling rounds on handwritten digits, as a user at a shell runs them.

Writes shards, scores, batches and reports to ``demo_output``. Needs scikit-learn, pyarrow,
matplotlib and Bokeh.
"""

import base64
import io
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.image import imsave
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

OUTPUT = Path(__file__).parents[1] / "demo_output"
SHARDS, B, K = 8, 100, 20


def main():
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    rng = np.random.default_rng(0)
    images, digits = digits_and_shifted()
    ids = np.array([f"digit-{number:05d}" for number in rng.permutation(len(images))])
    digit_of = dict(zip(ids.tolist(), digits.tolist(), strict=True))
    write_shards(images, ids)

    title(f"{len(images):,} images in {SHARDS} Parquet shards; 100 are labeled already")
    labeled = rng.choice(len(images), 100, replace=False)
    (OUTPUT / "labeled.txt").write_text("".join(f"{name}\n" for name in ids[labeled]))
    model = train(images, digits, labeled)
    write_scores("duals1.parquet", model, images, ids, rng)

    title("Round 1: scores are joined by id; the run is killed, and goes on")
    first = ("--exclude", "labeled.txt", "--job", "round1", "-o", "tasks1.json")
    kill_once(select("duals1.parquet", *first))
    run(select("duals1.parquet", *first, "--plot", "round1.png", "--report", "round1.html"))

    title("Someone labels the tasks in Label Studio and exports them")
    picked = annotate("tasks1.json", "export1.json", digit_of)
    row_of = {name: row for row, name in enumerate(ids.tolist())}
    labeled = np.concatenate([labeled, [row_of[name] for name in picked]])
    model = train(images, digits, labeled)
    write_scores("duals2.parquet", model, images, ids, rng)

    title("Round 2: not these again, with the clusters of round 1")
    second = ("--exclude", "labeled.txt", "--exclude", "export1.json")
    second += ("--job", "round2", "--from", "round1", "-o", "tasks2.json")
    run(select("duals2.parquet", *second, "--report", "round2.html"))
    again = set(ids_of("tasks2.json")) & {*picked, *(OUTPUT / "labeled.txt").read_text().split()}
    print(f"\n{len(ids_of('tasks2.json'))} tasks, {len(again)} of them labeled before")
    print(f"written to {OUTPUT.name}/: tasks1.json, tasks2.json, round1.png")
    print(f"open {OUTPUT.name}/round1.html and round2.html: what was chosen, and why")
    if again:
        sys.exit("the second round repeats rows")


def digits_and_shifted():
    """Return 16,173 images: the 1,797 of scikit-learn, and each of them moved by one pixel."""
    images, digits = load_digits(return_X_y=True)
    squares = images.reshape(-1, 8, 8)
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    moved = [np.roll(squares, move, axis=(1, 2)).reshape(-1, 64) for move in moves]
    return np.concatenate(moved) / 16, np.tile(digits, len(moves))


def write_shards(images, ids):
    (OUTPUT / "pool").mkdir()
    pictures = [data_url(image) for image in images[: len(images) // 9]]
    for number, part in enumerate(np.array_split(np.arange(len(images)), SHARDS)):
        vectors = pa.array(images[part].astype(np.float16).ravel())
        table = {
            "emb": pa.FixedSizeListArray.from_arrays(vectors, 64),
            "image_id": ids[part],
            "image": [pictures[row % len(pictures)] for row in part],
        }
        pq.write_table(pa.table(table), OUTPUT / "pool" / f"part-{number}.parquet")


def data_url(image):
    """Return a picture as text that a browser shows."""
    file = io.BytesIO()
    imsave(file, image.reshape(8, 8), cmap="gray_r", format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def train(images, digits, labeled):
    return LogisticRegression(max_iter=1000).fit(images[labeled], digits[labeled])


def write_scores(name, model, images, ids, rng):
    """Write how unsure the model is of each image, in an order of its own, with ids."""
    order = rng.permutation(len(ids))
    scores = 1 - model.predict_proba(images).max(axis=1)
    pq.write_table(pa.table({"image_id": ids[order], "score": scores[order]}), OUTPUT / name)


def select(scores, *options):
    words = ["select", "pool", "--column", "emb", "--ids", ":image_id", "--keep", "image"]
    words += ["--scores", f"{scores}:score@image_id", "-b", str(B), "-k", str(K)]
    return [*words, "--format", "label-studio", *options]


def run(words):
    print(f"$ ally-fast {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "ally_fast", *words], cwd=OUTPUT, check=True)


def kill_once(words):
    """Start a command, and kill it once it has begun to work."""
    print(f"$ ally-fast {shlex.join(words)}", flush=True)
    command = [sys.executable, "-m", "ally_fast", *words, "--quiet"]
    process = subprocess.Popen(command, cwd=OUTPUT)
    while process.poll() is None and not (OUTPUT / "round1" / "job.json").exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (OUTPUT / "tasks1.json").unlink(missing_ok=True)  # it was quicker
    print("killed\n")


def annotate(tasks, export, digit_of):
    """Write an export of Label Studio: each task with the digit that a person saw."""
    labeled = json.loads((OUTPUT / tasks).read_text())
    for number, task in enumerate(labeled, 1):
        digit = digit_of[task["data"]["image_id"]]
        choice = {"type": "choices", "value": {"choices": [str(digit)]}}
        task |= {"id": number, "annotations": [{"was_cancelled": False, "result": [choice]}]}
    (OUTPUT / export).write_text(json.dumps(labeled))
    return ids_of(tasks)


def ids_of(tasks):
    return [task["data"]["image_id"] for task in json.loads((OUTPUT / tasks).read_text())]


def title(text):
    print(f"\n{text}\n")


if __name__ == "__main__":
    main()

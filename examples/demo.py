"""Choose what to label next: among handwritten digits, then among a million sentences.

Writes ``demo_output/batch.csv`` and ``batch.png``; with ``ALLY_FAST_DATA`` set to a folder of real
data, also ``million.csv`` and ``million.png``. Needs scikit-learn and matplotlib.
"""

import os
from pathlib import Path

import numpy as np

import ally_fast
from ally_fast.exports import FORMATS, Wanted, batch_table
from ally_fast.files import whole_file
from ally_fast.pools import as_pool
from ally_fast.report import draw_batch, save_figure, summarize, summary_text

OUTPUT = Path(__file__).parents[1] / "demo_output"
SENTENCES = "imdb/imdb_sentences_lsa64_1M_int8.npz"


def digits():
    """Choose 100 of 1,797 digits that a model trained on 100 labels is least sure of."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    images, digit = load_digits(return_X_y=True)
    labeled = np.random.default_rng(0).choice(len(images), 100, replace=False)
    model = LogisticRegression(max_iter=1000).fit(images[labeled] / 16, digit[labeled])
    scores = 1 - model.predict_proba(images / 16).max(axis=1)

    print("1,797 handwritten digits; score = 1 - the top probability of a logistic regression")
    print("trained on 100 labeled digits, which are excluded\n")
    choose("batch", images, scores, b=100, k=10, exclude=labeled)


def million_sentences(path):
    """Choose 10,000 of a million sentences from film reviews."""
    with np.load(path) as archive:
        sentences = archive["Q"] * archive["scale"]  # int8 -> float32
        sentiment = archive["doc_label"].astype(np.float64)  # of the review: 1, 0, -1 = unknown
    rng = np.random.default_rng(0)
    labeled = rng.choice(np.flatnonzero(sentiment >= 0), 2000, replace=False)
    known, targets = sentences[labeled].astype(np.float64), 2 * sentiment[labeled] - 1
    head = np.linalg.solve(known.T @ known + np.eye(known.shape[1]), known.T @ targets)
    scores = 1 - np.abs(sentences @ head)

    print("\n1,000,000 sentences of film reviews; score = how undecided a ridge regression is")
    print("that was trained on the sentiment of 2,000 of them, which are excluded;")
    print("it stands in for predicted dual variables\n")
    choose("million", sentences, scores, b=10_000, k=1000, exclude=labeled)


def choose(name, embeddings, scores, *, b, k, exclude):
    """Select, tell what happened, and write the batch and its picture."""
    indices, info = ally_fast.select(
        embeddings, scores, b, k, exclude=exclude, progress=True, return_info=True
    )
    pool = as_pool(embeddings)
    summary = summarize(pool, info)
    print(summary_text(summary))
    with whole_file(str(OUTPUT / f"{name}.csv"), force=True) as file:
        FORMATS["csv"].write(file, batch_table(indices, info), Wanted(".csv"), summary)
    with whole_file(str(OUTPUT / f"{name}.png"), force=True) as file:
        save_figure(draw_batch(pool, scores, indices, info, exclude=exclude), file, ".png")
    print(f"{'written':<12}{OUTPUT.name}/{name}.csv, {OUTPUT.name}/{name}.png")


def main():
    OUTPUT.mkdir(exist_ok=True)
    digits()
    data = os.environ.get("ALLY_FAST_DATA")
    if data and (path := Path(data) / SENTENCES).is_file():
        million_sentences(path)
    else:
        print(f"\nno million rows: ALLY_FAST_DATA is not a folder that holds {SENTENCES}")


if __name__ == "__main__":
    main()

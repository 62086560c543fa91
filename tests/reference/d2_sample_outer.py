"""The outer products that D² sampling by two factors stands for."""

import numpy as np
import numpy.typing as npt


def outer_rows(
    left: npt.ArrayLike, right: npt.ArrayLike, targets: npt.ArrayLike | None = None
) -> npt.NDArray[np.float64]:
    """Form the rows ``g_i = (left_i - e(targets_i)) ⊗ right_i``.

    Parameters
    ----------
    left : array_like, shape (n, C)
    right : array_like, shape (n, d)
    targets : array_like, shape (n,), optional
        Where 1 is taken off `left`.

    Returns
    -------
    ndarray, shape (n, C * d), float64

    Examples
    --------
    >>> outer_rows([[0.75, 0.25]], [[2.0, 4.0]], targets=[0]).tolist()
    [[-0.5, -1.0, 0.5, 1.0]]
    """
    a = np.array(left, dtype=np.float64)
    h = np.asarray(right, dtype=np.float64)
    if targets is not None:
        a[np.arange(len(a)), np.asarray(targets)] -= 1.0
    rows: npt.NDArray[np.float64] = a[:, :, None] * h[:, None, :]
    return rows.reshape(len(a), -1)

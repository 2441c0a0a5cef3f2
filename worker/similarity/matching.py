"""Pairing the parts of two charts: optimal while that is cheap, greedy above."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

OPTIMAL_SIDE = 400  # the Hungarian method is cubic: 400 x 400 takes about 10 ms
MAX_PARTS = 2000  # a similarity matrix of more parts than this is never built


def best_pairs(similarity: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (row, column), each used once, that maximise the summed similarity; pairs of similarity 0 are left out.

    Above OPTIMAL_SIDE on the shorter side pairs are taken greedily, most similar first: never worse than half the
    optimum, and bounded in time.
    """
    if similarity.size == 0:
        return []
    # Absurd numbers in a chart may give NaN; that is no similarity, and no error of ours.
    similarity = np.nan_to_num(similarity, nan=0.0, posinf=0.0, neginf=0.0)
    if min(similarity.shape) <= OPTIMAL_SIDE:
        rows, columns = linear_sum_assignment(similarity, maximize=True)
        return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if similarity[i, j] > 0]
    return _greedy(similarity)


def _greedy(similarity: NDArray[np.float64]) -> list[tuple[int, int]]:
    free_rows = np.ones(similarity.shape[0], bool)
    free_columns = np.ones(similarity.shape[1], bool)
    order = np.argsort(-similarity, axis=None, kind="stable")
    pairs = []
    left = min(similarity.shape)
    for row, column in zip(*np.unravel_index(order, similarity.shape), strict=True):
        if similarity[row, column] <= 0 or left == 0:
            break
        if free_rows[row] and free_columns[column]:
            free_rows[row] = free_columns[column] = False
            pairs.append((int(row), int(column)))
            left -= 1
    return pairs

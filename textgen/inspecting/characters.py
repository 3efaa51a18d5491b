"""What a model thinks of characters: their embedding, and which it takes for which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CharacterMap:
    """The embedding in the two directions in which it varies most.

    Args:
        ids: `(num_ids,)`.
        places: `(num_ids, 2)`.
        shares: the share of the variance that each direction shows.
        neighbours: `(num_ids, most)` ids, the nearest first, by the cosine of vectors.
    """

    ids: NDArray[np.int64]
    places: NDArray[np.float64]
    shares: tuple[float, float]
    neighbours: NDArray[np.int64]


def character_map(
    embedding: NDArray[np.floating], ids: NDArray[np.int64], most: int = 3
) -> CharacterMap:
    """Principal components of the rows of some ids.

    Args:
        embedding: `(vocab_size, width)`.
        ids: of the characters to map.

    >>> square = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> found = character_map(square, np.arange(4), most=1)
    >>> [round(share, 6) for share in found.shares]
    [0.8, 0.2]
    """
    rows = np.asarray(embedding, np.float64)[ids]
    centred = rows - rows.mean(axis=0)
    u, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(ids), 2))
    found = (u * sizes)[:, :2]
    places[:, : found.shape[1]] = found
    variances = np.square(sizes)
    total = variances.sum() or 1.0
    first, second = [*(variances / total).tolist(), 0.0, 0.0][:2]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    directions = rows / np.where(lengths > 0, lengths, 1)
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, : min(most, len(ids) - 1)]
    return CharacterMap(ids, places, (first, second), ids[nearest])


def frequent(ids: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The most frequent ids of a text, the most frequent first.

    >>> frequent(np.array([3, 1, 3, 2, 3, 1]), most=2).tolist()
    [3, 1]
    """
    kinds, counts = np.unique(ids, return_counts=True)
    return kinds[np.argsort(-counts, kind="stable")][:most]


def confusions(
    ids: NDArray[np.int64], guesses: NDArray[np.int64], most: int = 30
) -> list[tuple[int, int, int]]:
    """The id that came, the likeliest one, and how often; wrong guesses only.

    >>> confusions(np.array([1, 1, 2, 1]), np.array([1, 2, 2, 2]))
    [(1, 2, 2)]
    """
    wrong = ids != guesses
    pairs, counts = np.unique(
        np.stack([ids, guesses])[:, wrong], axis=1, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")[:most]
    rows = (pairs[0, order], pairs[1, order], counts[order])
    return list(zip(*(row.tolist() for row in rows), strict=True))

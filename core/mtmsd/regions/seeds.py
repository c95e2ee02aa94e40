"""Seeds on a regular grid, and the soft assignment of pixels to the seeds around them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

COMPACTNESS = 0.05
"""What the squared distance from a seed's place counts, in cells: it settles ties, so that a
constant image keeps the grid."""
AROUND = ((0, 0), (-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True)
class SeedGrid:
    """Cells of ``size`` px over a block of any height and width; a seed in the middle of each."""

    height: int
    width: int
    size: int

    @property
    def rows(self) -> int:
        """Cells from top to bottom; the last may be cut."""
        return -(-self.height // self.size)

    @property
    def cols(self) -> int:
        """Cells from left to right."""
        return -(-self.width // self.size)

    @property
    def count(self) -> int:
        """Seeds, M."""
        return self.rows * self.cols

    @cached_property
    def cell(self) -> Tensor:
        """Which cell each pixel lies in, int64 (h·w,)."""
        rows, cols = torch.arange(self.height), torch.arange(self.width)
        return (rows[:, None] // self.size * self.cols + cols // self.size).flatten()

    @cached_property
    def neighbours(self) -> Tensor:
        """The cells around each cell, its own first, int64 (M, 9); −1 where there is none."""
        row, col = torch.meshgrid(torch.arange(self.rows), torch.arange(self.cols), indexing="ij")
        found = []
        for down, right in AROUND:
            r, c = row + down, col + right
            there = (r >= 0) & (r < self.rows) & (c >= 0) & (c < self.cols)
            found.append(torch.where(there, r * self.cols + c, -1).flatten())
        return torch.stack(found, dim=1)

    @cached_property
    def remoteness(self) -> Tensor:
        """Squared distance of each pixel from the seeds around it, in cells: float32 (h·w, 9)."""
        size = self.size
        own = [(torch.arange(n) % size + 0.5) / size - 0.5 for n in (self.height, self.width)]
        steps = torch.tensor(AROUND, dtype=torch.float32)
        down = (own[0][:, None] - steps[:, 0]).square()
        right = (own[1][:, None] - steps[:, 1]).square()
        return (down[:, None] + right[None]).flatten(0, 1)

    def sums(self, values: Tensor, shares: Tensor) -> Tensor:
        """Σ over pixels of share · value for each seed: (P, d), (P, 9) -> (M, d)."""
        around = self.neighbours[self.cell]
        total = values.new_zeros(self.count + 1, values.shape[1])  # the last one for no seed
        for i in range(len(AROUND)):
            total = total.index_add(0, around[:, i] % (self.count + 1), values * shares[:, i, None])
        return total[: self.count]

    def means(self, values: Tensor, valid: Tensor) -> Tensor:
        """Mean over the valid pixels (P,) of each cell: (P, d) -> (M, d); 0 where there is none."""
        weight = valid.to(values.dtype)[:, None]
        total = values.new_zeros(self.count, values.shape[1])
        total = total.index_add(0, self.cell, values * weight)
        number = weight.new_zeros(self.count, 1).index_add(0, self.cell, weight)
        return total / number.clamp(min=1)

    def assign(self, values: Tensor, valid: Tensor, sharpness: Tensor, updates: int = 2) -> Tensor:
        """Shares (P, 9) of the seeds around in each pixel; they sum to 1, or to 0 if not valid.

        Softmax of the negative squared distance of ``values`` (P, d); the seeds begin as the
        means of their cells and are updated.
        """
        around = self.neighbours[self.cell]
        centres = self.means(values, valid)
        there = self.neighbours >= 0
        filled = torch.zeros(self.count, dtype=torch.bool)
        filled[self.cell[valid]] = True
        usable = (there & filled[self.neighbours])[self.cell]
        # a pixel whose cell is its only one is its own cell's
        usable[:, 0] = True
        apart = COMPACTNESS * self.remoteness
        for update in range(updates):
            distance = torch.stack(
                [
                    (values - centres[around[:, i]]).square().sum(1) for i in range(len(AROUND))
                ],
                dim=1,
            )  # fmt: skip
            logits = (-sharpness * distance - apart).masked_fill(~usable, -torch.inf)
            shares = torch.softmax(logits, dim=1) * valid[:, None]
            if update + 1 < updates:
                weight = self.sums(torch.ones_like(values[:, :1]), shares)
                centres = self.sums(values, shares) / weight.clamp(min=1e-6)
        return shares

    def nearest(self, shares: Tensor, valid: Tensor) -> Tensor:
        """The most similar seed of each pixel, int64 (P,); −1 where it is not valid."""
        first = shares.argmax(1)  # the first of equals: the pixel's own cell
        chosen = self.neighbours[self.cell].gather(1, first[:, None])[:, 0]
        return torch.where(valid, chosen, -1)


def proportions(token: Tensor, target: Tensor, tokens: int, classes: int) -> tuple[Tensor, Tensor]:
    """Class shares of the labelled pixels of each token, and which tokens have any.

    Parameters
    ----------
    token, target : int64 Tensors (n,)
        Of the labelled pixels.

    Returns
    -------
    shares : float32 Tensor (tokens, classes)
        They sum to 1 where there is a label.
    counts : float32 Tensor (tokens,)
        Labelled pixels.
    """
    counts = torch.zeros(tokens * classes)
    counts.index_add_(0, token * classes + target, torch.ones(len(token)))
    counts = counts.view(tokens, classes)
    number = counts.sum(1)
    return counts / number.clamp(min=1)[:, None], number

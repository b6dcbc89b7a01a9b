"""Solutions to the exercises of notebook 05b."""

import math

import numpy as np

# Exercise 1: the weights lose a fraction of themselves, then take the usual step.


def decayed_step(w, g, rate, decay):
    return (1 - rate * decay) * w - rate * g


# Exercise 2: a fraction 1 - dropout is left, so dividing by it preserves the expected value.


def inverted_dropout(A, dropout, random):
    kept = random >= dropout
    return A * kept / (1 - dropout)


# Exercise 3: a pixel of the new image looks where it comes from in the old one. What comes from
# outside stays zero. (Without the `if`, row -1 would be the last row.)


def shifted(image, down, right):
    new = np.zeros_like(image)
    rows, columns = image.shape
    for row in range(rows):
        for column in range(columns):
            if 0 <= row - down < rows and 0 <= column - right < columns:
                new[row, column] = image[row - down, column - right]
    return new


# Exercise 4: interpolate between the pixels of the upper row, between those of the lower row, and
# then between the two results. Multiplied out, each pixel has a product of two fractions as weight.


def bilinear(image, row, column):
    r, c = math.floor(row), math.floor(column)
    down, right = row - r, column - c
    top = (1 - right) * image[r, c] + right * image[r, c + 1]
    bottom = (1 - right) * image[r + 1, c] + right * image[r + 1, c + 1]
    return (1 - down) * top + down * bottom

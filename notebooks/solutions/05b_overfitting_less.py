"""Solutions to the exercises of notebook 05b."""

import math

# Exercise 1: the weights lose a fraction of themselves, then take the usual step.


def decayed_step(w, g, rate, decay):
    return (1 - rate * decay) * w - rate * g


# Exercise 2: a fraction 1 - dropout is left, so dividing by it preserves the expected value.


def inverted_dropout(A, dropout, random):
    kept = random >= dropout
    return A * kept / (1 - dropout)


# Exercise 3: count from the epoch of the lowest loss so far, not from the last time the loss fell.


def best_epoch(losses, patience):
    best = 1
    for epoch, loss in enumerate(losses, start=1):
        if loss < losses[best - 1]:
            best = epoch
        if epoch - best >= patience:
            break
    return best


# Exercise 4: interpolate between the pixels of the upper row, between those of the lower row, and
# then between the two results. Multiplied out, each pixel has a product of two fractions as weight.


def bilinear(image, row, column):
    r, c = math.floor(row), math.floor(column)
    down, right = row - r, column - c
    top = (1 - right) * image[r, c] + right * image[r, c + 1]
    bottom = (1 - right) * image[r + 1, c] + right * image[r + 1, c + 1]
    return (1 - down) * top + down * bottom

"""Answers to the exercises of notebook 02, a two-layer network.

The names are those of the cells. Other answers are right too, if the check says so.
"""

import numpy as np

# 1 · Change the network
#
# Each of the 30 hidden neurons has a weight for each of the 784 pixels, and a bias; each of the 10
# outputs has a weight for each of the 30 hidden neurons, and a bias. The pixels are given, not
# learned. `init_params([784, 30, 10], rng=0)` says the same: 23,860 parameters.

parameters = (784 * 30 + 30) + (30 * 10 + 10)


# 2 · Another slope
#
# With σ(z) = 1 / (1 + e⁻ᶻ), the rule for 1/u gives
#
#     σ′(z) = e⁻ᶻ / (1 + e⁻ᶻ)² = 1 / (1 + e⁻ᶻ) · e⁻ᶻ / (1 + e⁻ᶻ) = σ(z) (1 - σ(z)).
#
# Backward propagation has the activations at hand, so it need not compute an exponential again.
# The slope is at most 1/4, where z = 0: through many layers of sigmoids, little flows back.


def sigmoid_slope(A):
    return A * (1 - A)


# 3 · Softmax for large scores
#
# Dividing numerator and denominator by the same number changes nothing, and dividing by e to the
# largest score of the row makes that score 0 and all the others negative. So no exponential is
# above 1, and the sum is at least 1. Each row needs its own largest score: with that of the whole
# array, a row that lies far below it would be 0/0. `keepdims` keeps the maxima and the sums as a
# column, so that they are subtracted from and divide their own row.


def softmax_of(Z):
    exponentials = np.exp(Z - Z.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


# 4 · Back through one layer
#
# The forward pass was Z = A w + b. In dw, the product with Aᵀ sums over the digits, and N makes a
# mean of that. db sums over the digits too, along axis 0, and keeps one number for each neuron.
# What flows back is dA = dZ wᵀ, and ReLU lets it through where A > 0. Where A is 0, a small change
# of the sum leaves A at 0, so the slope is 0: `A >= 0` would be true everywhere.


def layer_backward(A, w, dZ):
    N = len(dZ)
    dw = A.T @ dZ / N
    db = dZ.sum(axis=0) / N
    dZ_before = (dZ @ w.T) * (A > 0)
    return dw, db, dZ_before


# 5 · Write it yourself
#
# Forward, the last link of the chain rule, the means, and a step against them. Summed over digits
# *and* neurons, P - Y is 0, because the probabilities of a digit sum to 1, as its one-hot row does:
# a bias gradient that is one number for all the neurons would never change a bias.


def step(w, b, X, Y, rate):
    P = softmax_of(X @ w + b)
    dZ = P - np.eye(len(b))[Y]
    dw, db = X.T @ dZ / len(Y), dZ.sum(axis=0) / len(Y)
    return w - rate * dw, b - rate * db

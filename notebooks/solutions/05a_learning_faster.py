"""Solutions to the exercises of notebook 05a."""

import math

import numpy as np

# Exercise 1: numbers spread evenly from -a to a have the variance a²/3. Set it equal to 2/n_in.


def uniform_limit(n_in):
    return math.sqrt(6 / n_in)


# Exercise 2: the new v goes into the step: p stands for the point to which the momentum has led
# already, and v leads on from there.


def momentum_step(p, v, g, rate, mu):
    v = mu * v + g
    p = p - rate * (g + mu * v)
    return p, v


# Exercise 3: m and v start at zero, so after t steps their weights sum to 1 - βᵗ only. The divisions
# make up for it; m and v themselves go into the next step uncorrected.


def adam_step(p, m, v, g, t, rate):
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g**2
    m_hat = m / (1 - 0.9**t)
    v_hat = v / (1 - 0.999**t)
    p = p - rate * m_hat / (np.sqrt(v_hat) + 1e-8)
    return p, m, v


# Exercise 4: what is left after the warm-up runs from 0 to 1, and the cosine's angle from 0 to π.


def schedule(done):
    if done < 0.05:
        return done / 0.05
    return 0.5 + 0.5 * math.cos(math.pi * (done - 0.05) / 0.95)

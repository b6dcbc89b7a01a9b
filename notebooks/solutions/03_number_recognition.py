"""Answers to the exercises of notebook 03, number recognition."""

from mnist_nn import backward_prop, forward_prop, update

# 1 · Deeper or wider?
#
# A hidden neuron of 784 → n → 10 has 784 weights and a bias of its own, and a weight to each of the
# 10 outputs: 795 parameters. The outputs have 10 biases more. So 795 n + 10 ≤ 52,650, and n ≤ 66.2.

width = (52_650 - 10) // (784 + 1 + 10)


# 2 · The last batch


def cut(order, batch_size):
    # A slice that goes beyond the end stops at the end: the last batch is what is left.
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


# 3 · The accuracy


def accuracy(P, Y):
    # The mean of True and False is the fraction of True.
    return (P.argmax(axis=1) == Y).mean()


# 4 · When to stop


def early_stopping(losses, patience):
    best, lowest = 0, float("inf")
    for epoch, loss in enumerate(losses, start=1):
        if loss < lowest:
            best, lowest = epoch, loss
        elif epoch - best == patience:
            break
    return best, epoch


# 5 · An epoch of your own


def one_epoch(network, X, Y, order, batch_size, learning_rate):
    for batch in cut(order, batch_size):
        activations = forward_prop(network, X[batch])
        gradients = backward_prop(network, activations, Y[batch])
        network = update(network, gradients, learning_rate)
    return network

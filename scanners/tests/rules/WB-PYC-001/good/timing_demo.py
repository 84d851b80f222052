"""How fast the layers are."""
import timeit

START = timeit.default_timer()


def measure():
    return timeit.Timer("forward()", setup="from layers import forward").timeit(100)

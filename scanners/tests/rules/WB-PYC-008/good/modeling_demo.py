import socket


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.bind(("", 0))
        return s.getsockname()[1]


class Weights:
    def __init__(self, values):
        self.values = values

    def __reduce__(self):
        return (Weights, (self.values,))

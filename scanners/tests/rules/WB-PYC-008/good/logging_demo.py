"""Puts what is written into a file, and asks for the machine's own address."""
import os
import socket


def address():
    asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asks.connect(("8.8.8.8", 80))
    return asks.getsockname()[0]


def into_file(path):
    log = open(path, "a")
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)

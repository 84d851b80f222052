"""Asks the library what there is."""
import importlib.util
import logging
import os
import platform
import socket

LOG = logging.getLogger(__name__)
HAS_FLASH = importlib.util.find_spec("flash_attn") is not None
WORKERS = len(os.sched_getaffinity(0)) if platform.system() == "Linux" else os.cpu_count()


def address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks:
        asks.connect(("8.8.8.8", 80))
        return asks.getsockname()[0]


MASTER = address()

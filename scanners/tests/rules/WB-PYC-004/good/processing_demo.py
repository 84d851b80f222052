import json
import os

import requests


class Processor:
    def __init__(self, folder):
        cache = os.environ.get("HF_HOME", os.path.expanduser("~/.cache/huggingface"))
        self.folder = os.path.join(cache, folder)

    def __call__(self, url):
        return requests.get(url, timeout=10).content

    def save(self, folder):
        with open(os.path.join(folder, "processor.json"), "w") as out:
            json.dump({"folder": self.folder}, out)

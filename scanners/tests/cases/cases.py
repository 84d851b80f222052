"""Where cases are kept while they are made: files on disk, and a line about each in the manifest."""

import hashlib
import json
import random
import re
import zlib
from pathlib import Path

LABELS = ("benign", "malicious", "suspicious")


class Cases:
    """A folder of cases. A file is written once, under a name that no other file has, whatever its letters' case."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.lines = []
        self.taken = set()

    def family(self, name):
        return Family(self, name)

    def add(self, family, case, file, data, expect, note, complete=True):
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogatepass")
        path = f"{family}/{case}/{file}"
        assert expect in LABELS, expect
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", case), f"not a case's name: {case}"
        assert path.lower() not in self.taken, f"made twice: {path}"
        self.taken.add(path.lower())
        at = self.folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(data)
        self.lines.append({"path": path, "family": family, "expect": expect, "complete": complete, "note": note})

    def write_manifest(self):
        lines = sorted(self.lines, key=lambda line: line["path"])
        with open(self.folder / "manifest.jsonl", "w", encoding="utf-8") as out:
            out.writelines(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)


class Family:
    """The cases of one kind of file; says the label by the name of its method."""

    def __init__(self, cases, name):
        self.cases = cases
        self.name = name

    def benign(self, case, file, data, note, complete=True):
        self.cases.add(self.name, case, file, data, "benign", note, complete)

    def suspicious(self, case, file, data, note):
        self.cases.add(self.name, case, file, data, "suspicious", note)

    def malicious(self, case, file, data, note):
        self.cases.add(self.name, case, file, data, "malicious", note)

    def labelled(self, expect, case, file, data, note, complete=True):
        self.cases.add(self.name, case, file, data, expect, note, complete)


def slug(text):
    """A name as a case's name: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def noise(count, seed):
    """Bytes without a pattern, the same on every run."""
    return random.Random(f"noise {seed}").randbytes(count)


def floats(count, seed):
    """What weights look like: little-endian float32 near zero."""
    import numpy

    return numpy.random.default_rng(zlib.crc32(str(seed).encode())).normal(0, 0.02, count).astype("<f4").tobytes()


def sha256(data):
    return hashlib.sha256(data).hexdigest()

"""Does a list of steps with the huggingface_hub of its venv and prints what came of each, as one line of JSON.

Each step is an object with `do` and the arguments of the call. A failure is an outcome too: the exception's class, the
classes it is a kind of, and its text. Nothing of the library is patched.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import huggingface_hub
from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def download(repo, file, revision=None, type=None, **more):
    path = Path(hf_hub_download(repo, file, revision=revision, repo_type=type, **more))
    commit = path.parts[path.parts.index("snapshots") + 1] if "snapshots" in path.parts else None
    return {"sha256": digest(path), "size": path.stat().st_size, "commit": commit, "blob": path.resolve().name}


def snapshot(repo, revision=None, type=None, **more):
    root = Path(snapshot_download(repo, revision=revision, repo_type=type, **more))
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {"commit": root.name, "files": {str(path.relative_to(root)): digest(path) for path in files}}


def entry(of):
    """What of a tree entry is the same at every hub."""
    if not hasattr(of, "size"):
        return {"path": of.path, "folder": True}
    lfs = of.lfs and {"sha256": of.lfs.sha256, "size": of.lfs.size}
    return {"path": of.path, "size": of.size, "blob_id": of.blob_id, "lfs": lfs, "xet": getattr(of, "xet_hash", None)}


def tree(repo, revision=None, type=None, recursive=True, expand=False, path=None):
    found = HfApi().list_repo_tree(
        repo, path, revision=revision, repo_type=type, recursive=recursive, expand=expand
    )
    return sorted((entry(one) for one in found), key=lambda one: one["path"])


def files(repo, revision=None, type=None):
    return sorted(HfApi().list_repo_files(repo, revision=revision, repo_type=type))


def paths_info(repo, paths, revision=None, type=None, expand=False):
    found = HfApi().get_paths_info(repo, paths, revision=revision, repo_type=type, expand=expand)
    return sorted((entry(one) for one in found), key=lambda one: one["path"])


def refs(repo, type=None, include_pull_requests=False):
    found = HfApi().list_repo_refs(repo, repo_type=type, include_pull_requests=include_pull_requests)
    pulls = found.pull_requests or []
    return {one.ref: one.target_commit for one in [*found.branches, *found.tags, *pulls]}


def commits(repo, revision=None, type=None):
    return [one.commit_id for one in HfApi().list_repo_commits(repo, revision=revision, repo_type=type)]


def info(repo, revision=None, type=None, **more):
    found = HfApi().repo_info(repo, revision=revision, repo_type=type, **more)
    siblings = [one.rfilename for one in found.siblings or []]
    return {"id": found.id, "sha": found.sha, "private": found.private, "siblings": sorted(siblings)}


def exists(repo, file, revision=None, type=None):
    return HfApi().file_exists(repo, file, revision=revision, repo_type=type)


def auth_check(repo, type=None):
    HfApi().auth_check(repo, repo_type=type)
    return True


def whoami():
    return HfApi().whoami()["name"]


def listing(kind="models", **more):
    return sorted(one.id for one in getattr(HfApi(), f"list_{kind}")(**more))


def cached(repo, file):
    """What the cache answers without asking anybody, and whether a missing file is remembered as missing."""
    found = huggingface_hub.try_to_load_from_cache(repo, file)
    return "missing" if found is huggingface_hub._CACHED_NO_EXIST else found


def incomplete(repo, etag, first):
    """Leaves a half-downloaded file in the cache, as an interrupted process does."""
    folder = Path(constants.HF_HUB_CACHE) / huggingface_hub.file_download.repo_folder_name(
        repo_id=repo, repo_type="model"
    )
    blobs = folder / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / f"{etag}.incomplete").write_bytes(bytes(first))
    return True


def left_behind():
    """Whole files in the cache whose bytes are not what their name says, and all that are half there."""
    wrong, half = [], []
    for path in Path(constants.HF_HUB_CACHE).rglob("*"):
        if path.is_symlink() or not path.is_file() or path.parent.name != "blobs":
            continue
        if path.name.endswith(".incomplete"):
            half.append(path.name)
        elif len(path.name) == 64 and digest(path) != path.name:
            wrong.append(path.name)
    return {"wrong": wrong, "half": half}


STEPS = {
    function.__name__: function
    for function in [
        auth_check, cached, commits, download, exists, files, incomplete, info, left_behind, listing, paths_info, refs,
        snapshot, tree, whoami,
    ]
}


def outcome(step):
    arguments = {name: value for name, value in step.items() if name != "do"}
    try:
        return {"value": STEPS[step["do"]](**arguments)}
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return {"error": type(error).__name__, "kinds": kinds, "text": str(error)}


if __name__ == "__main__":
    assert os.environ.get("HF_HUB_DISABLE_XET") or huggingface_hub.file_download.is_xet_available(), "Xet is not on"
    print(json.dumps([outcome(step) for step in json.loads(sys.argv[1])]))

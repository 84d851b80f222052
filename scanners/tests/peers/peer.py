"""Runs one peer over every made case, in one process, and says what it flagged and how long it took.

peer.py NAME CASES OUT: OUT gets one JSON object a line: path, flagged, error. The time on stdout is that of the scanning
alone: what the peer needs to be imported is not counted against it.
"""

import contextlib
import json
import logging
import os
import pathlib
import sys
import time
import warnings


def picklescan():
    from picklescan.scanner import scan_file_path

    def scan(path):
        result = scan_file_path(path)
        return result.infected_files > 0 or result.issues_count > 0, result.scan_err

    return scan


def modelscan():
    from modelscan.modelscan import ModelScan

    def scan(path):
        result = ModelScan().scan(path)
        return result["summary"]["total_issues"] > 0, bool(result.get("errors"))

    return scan


def fickling():
    import zipfile

    from fickling.analysis import Severity
    from fickling.loader import scan_file, scan_zip_archive

    def scan(path):
        zipped = zipfile.is_zipfile(path)
        results = list(scan_zip_archive(path, graceful=True).values()) if zipped else [scan_file(path, graceful=True)]
        flagged = any(r.severity > Severity.LIKELY_SAFE and not (r.errors and not r.results) for r in results)
        return flagged, any(r.errors for r in results)

    return scan


def modelaudit():
    from modelaudit.core import scan_file

    def scan(path):
        result = scan_file(path)
        bad = [i for i in result.issues if getattr(i.severity, "value", str(i.severity)).lower() in ("critical", "warning")]
        return bool(bad), bool(getattr(result, "has_errors", False)) or not result.success

    return scan


PEERS = {"picklescan": picklescan, "modelscan": modelscan, "fickling": fickling, "modelaudit": modelaudit}


def main():
    name, cases, out = sys.argv[1:4]
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    root = pathlib.Path(cases)
    paths = [json.loads(line)["path"] for line in (root / "manifest.jsonl").read_text().splitlines()]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        scan = PEERS[name]()
        lines, began = [], time.perf_counter()
        for path in paths:
            try:
                flagged, error = scan(str(root / path))
            except (Exception, SystemExit) as broke:
                flagged, error = False, type(broke).__name__ or True
            lines.append({"path": path, "flagged": bool(flagged), "error": error})
        took = time.perf_counter() - began
    pathlib.Path(out).write_text("".join(json.dumps(line) + "\n" for line in lines))
    print(f"{took:.3f}")


if __name__ == "__main__":
    main()

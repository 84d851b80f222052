"""Prints what each scanner flagged, what it got wrong and how long it took, side by side, and whether our bars hold."""

import json
import pathlib
import sys


def read(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def main():
    cases, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    expected = {line["path"]: line["expect"] for line in read(cases / "manifest.jsonl")}
    harmful = [path for path, expect in expected.items() if expect != "benign"]
    benign = [path for path, expect in expected.items() if expect == "benign"]
    rows = {}
    for seconds in sorted(folder.glob("*.seconds")):
        name = seconds.stem
        lines = {line["path"]: line for line in read(folder / f"{name}.jsonl")}
        missing = set(expected) - set(lines)
        assert not missing, f"{name} says nothing of {sorted(missing)[:3]}"
        rows[name] = {
            "caught": sum(lines[p]["flagged"] for p in harmful),
            "alarms": sum(lines[p]["flagged"] for p in benign),
            "errors": sum(bool(line["error"]) for line in lines.values()),
            "seconds": float(seconds.read_text()),
        }
    print(f"{len(harmful)} malicious or suspicious files, {len(benign)} benign ones; one process each")
    print(f"{'scanner':<14} {'detected':>16} {'false alarms':>16} {'errors':>8} {'seconds':>9}")
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["caught"]):
        caught, alarms = row["caught"] / len(harmful), row["alarms"] / len(benign)
        print(
            f"{name:<14} {row['caught']:>7} {caught:>7.1%} {row['alarms']:>8} {alarms:>7.1%} {row['errors']:>8} {row['seconds']:>9.2f}"
        )
    ours = rows.pop("weighbridge")
    half = [row for row in rows.values() if row["caught"] * 2 >= len(harmful)]
    bars = [
        ("detects more than the best of them", ours["caught"] > max(row["caught"] for row in rows.values())),
        (
            "no more false alarms than the quietest that detects half",
            ours["alarms"] <= min((row["alarms"] for row in half), default=len(benign)),
        ),
    ]
    fastest = min(row["seconds"] for row in rows.values())
    ratio = fastest / ours["seconds"]
    bars.append((f"50 times as fast as the fastest of them: {ratio:.0f} times", ratio >= 50))
    for what, holds in bars:
        print(f"{'yes' if holds else 'NO '}  {what}")
    sys.exit(0 if all(holds for _, holds in bars) else 1)


if __name__ == "__main__":
    main()

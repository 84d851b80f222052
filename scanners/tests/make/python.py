"""Makes the compiled Python of the rules' cases: WB-PYC-006/bad."""

import marshal
import struct
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "rules" / "WB-PYC-006" / "bad"


def main():
    code = compile('import subprocess\n\ndef run(name):\n    return subprocess.Popen(["echo", name])\n', "demo.py", "exec")
    FOLDER.mkdir(parents=True, exist_ok=True)
    # The magic number of Python 3.11, no flags, no time, no size.
    head = struct.pack("<H2sIII", 3495, b"\r\n", 0, 0, 0)
    (FOLDER / "modeling_demo.pyc").write_bytes(head + marshal.dumps(code))


main()

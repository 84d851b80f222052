//! What a config may name, and what it may not.

use std::sync::Arc;

use bytes::Bytes;

use super::{code, names};
use crate::{Limits, Outcome, Verdict, scan};

/// The rules and the verdict for a config of one layer.
fn judge(layer: &str) -> (Vec<&'static str>, Verdict) {
    let text = format!(r#"{{"class_name":"Sequential","config":{{"layers":[{layer}]}}}}"#);
    match scan("config.json", Arc::new(Bytes::from(text)), &Limits::default(), None) {
        Outcome::Judged(report) => {
            let keras = report.findings.iter().map(|finding| finding.rule.id).filter(|id| id.starts_with("WB-KER"));
            (keras.collect(), report.verdict)
        }
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

fn object(module: &str, class: &str, config: &str) -> String {
    format!(r#"{{"module":"{module}","class_name":"{class}","config":{config}}}"#)
}

#[test]
fn what_keras_writes_is_left_alone() {
    for layer in [
        object("keras.layers", "Dense", r#"{"units":3,"activation":"relu"}"#),
        object("keras.src.layers.core.dense", "Dense", "{}"),
        object("keras.src.models.functional", "Functional", "{}"),
        object("builtins", "function", r#""relu""#),
        object("keras.src.activations.activations", "function", r#""gelu""#),
        object("tf_keras.layers", "LSTM", "{}"),
        object("keras", "DTypePolicy", r#"{"name":"float32"}"#),
        object("keras_hub.layers", "TransformerEncoder", "{}"),
        object("keras.layers", "TextVectorization", r#"{"vocabulary":["a","b/c"],"split":"whitespace"}"#),
        r#"{"class_name":"TFOpLambda","config":{"function":"math.multiply"}}"#.into(),
        r#"{"class_name":"__numpy__","config":{"value":[1],"dtype":"float32"}}"#.into(),
        r#"{"class_name":"__keras_tensor__","config":{"shape":[1]}}"#.into(),
        object("builtins", "function", r#""max""#),
        object("keras.losses", "function", r#""mean_squared_error""#),
        object("keras.src.ops.nn", "function", r#""relu""#),
        object("keras.ops", "function", r#""map""#),
        object("keras.utils", "FeatureSpace", "{}"),
        object("keras_hub.src.tokenizers.byte_pair_tokenizer", "BytePairTokenizer", "{}"),
        object("keras_cv.src.models.backbones.resnet", "ResNetBackbone", "{}"),
        object("tensorflow_addons.optimizers", "AdamW", "{}"),
        object("tensorflow_addons.activations", "function", r#""gelu""#),
        r#"{"class_name":"Addons>GELU","config":{}}"#.into(),
        r#"{"class_name":"TFOpLambda","config":{"function":"compat.v1.nn.conv2d"}}"#.into(),
        r#"{"class_name":"TFOpLambda","config":{"function":"io.decode_jpeg"}}"#.into(),
        r#"{"class_name":"TFOpLambda","config":{"function":"keras.backend.mean"}}"#.into(),
        r#"{"class_name":"TensorFlowOpLayer","config":{"node_def":"{\"name\":\"op\",\"op\":\"Mul\"}"}}"#.into(),
        object("keras.layers", "Dense", r#"{"weights":"imagenet","path":"a"}"#),
    ] {
        assert_eq!(judge(&layer).0, [""; 0], "{layer}");
    }
}

#[test]
fn what_runs_or_reaches_out_is_seen_under_whatever_spelling() {
    for (layer, rule) in [
        (object("keras.layers", "Lambda", r#"{"function":["4wEA",null,null],"function_type":"lambda"}"#), "WB-KER-001"),
        (r#"{"class_name":"Lam\u0062da","config":{"function":["4wEA",null,null]}}"#.into(), "WB-KER-001"),
        (
            r#"{"class_name":"Dense","config":{"activation":{"class_name":"__lambda__","config":{}}}}"#.into(),
            "WB-KER-001",
        ),
        (r#"{"class_name":"Dense","class_name":"Lambda","config":{}}"#.into(), "WB-KER-001"),
        (r#"{"class_name":"Dense","class_name":"Lambda","config":{}}"#.into(), "WB-KER-007"),
        (r#"{"class_name":"x>Lambda","config":{}}"#.into(), "WB-KER-001"),
        (object("keras.layers", "Lambda", r#"{"function":"f","function_type":"function"}"#), "WB-KER-006"),
        (object("os", "function", r#""system""#), "WB-KER-002"),
        (object("builtins", "eval", "{}"), "WB-KER-002"),
        (object("builtins", "function", r#""exec""#), "WB-KER-002"),
        (r#"{"function":"system","module":"os","function_type":"function"}"#.into(), "WB-KER-002"),
        (object("torch.nn", "Linear", "{}"), "WB-KER-002"),
        (object("keras.utils", "get_file", "{}"), "WB-KER-003"),
        (object("keras.src.utils.file_utils", "function", r#""get_file""#), "WB-KER-003"),
        (object("keras.config", "enable_unsafe_deserialization", "{}"), "WB-KER-003"),
        (object("keras._tf_keras.keras.utils", "get_file", "{}"), "WB-KER-003"),
        (r#"{"class_name":"TFOpLambda","config":{"function":"io.write_file"}}"#.into(), "WB-KER-003"),
        (object("keras.layers", "StringLookup", r#"{"vocabulary":"words.txt"}"#), "WB-KER-004"),
        (object("keras.layers", "StringLookup", r#"{"vocabulary":"http://a/b"}"#), "WB-KER-008"),
        (object("keras.layers", "TFSMLayer", r#"{"filepath":"a"}"#), "WB-KER-005"),
        (object("keras.src.utils.torch_utils", "TorchModuleWrapper", "{}"), "WB-KER-005"),
        (object("__main__", "Mine", "{}"), "WB-KER-006"),
        (r#"{"class_name":"Mine","config":{}}"#.into(), "WB-KER-006"),
        (object("keras.losses", "deserialize", "{}"), "WB-KER-003"),
        (object("keras.models", "function", r#""clone_model""#), "WB-KER-003"),
        (object("keras.src.tree", "function", r#""map_structure""#), "WB-KER-006"),
        (object("builtins", "function", r#""map""#), "WB-KER-002"),
        (object("builtins", "function", r#""help""#), "WB-KER-002"),
        (object("builtins", "Mish", "{}"), "WB-KER-006"),
        (object("collections", "function", r#""namedtuple""#), "WB-KER-002"),
        (object("tensorflow.python.ops.io_ops", "function", r#""read_file""#), "WB-KER-002"),
        (object("tensorflow_addons.utils.resource_loader", "LazySO", "{}"), "WB-KER-003"),
        (object("tensorflow_addons.register", "register_all", "{}"), "WB-KER-006"),
        (object("keras_hub.src.utils.preset_utils", "function", r#""load_json""#), "WB-KER-003"),
        (object("keras_hub.src.models.task", "function", r#""get_loader""#), "WB-KER-006"),
        (object("keras_tuner.engine.tuner", "Tuner", "{}"), "WB-KER-006"),
        (r#"{"class_name":"TFOpLambda","config":{"function":"io.gfile.GFile"}}"#.into(), "WB-KER-003"),
        (r#"{"class_name":"TFOpLambda","config":{"function":"tf.print"}}"#.into(), "WB-KER-006"),
        (r#"{"class_name":"SlicingOpLambda","config":{"function":"io.read_file"}}"#.into(), "WB-KER-003"),
        (r#"{"class_name":"TFOpLambda","config":{"function":"raw_ops.ReadFile"}}"#.into(), "WB-KER-003"),
        (r#"{"class_name":"TFOpLambda","config":{"function":"keras.utils.get_file"}}"#.into(), "WB-KER-003"),
        (r#"{"class_name":"ClassMethod","config":{"cls_symbol":"data.Dataset"}}"#.into(), "WB-KER-003"),
        (r#"{"class_name":"TFOpLambda","config":{"function":"nobody.knows"}}"#.into(), "WB-KER-006"),
        (
            r#"{"class_name":"TensorFlowOpLayer","config":{"node_def":"{\"name\":\"x\",\"op\":\"ReadFile\"}"}}"#.into(),
            "WB-KER-003",
        ),
        (
            r#"{"class_name":"TensorFlowOpLayer","config":{"node_def":"name: 'op' op: \"PyFunc\""}}"#.into(),
            "WB-KER-003",
        ),
        (object("keras.layers", "TextVectorization", r#"{"vocabulary":"../../words"}"#), "WB-KER-008"),
        (object("keras_hub.tokenizers", "BytePairTokenizer", r#"{"vocabulary_path":"/home/a/vocab"}"#), "WB-KER-004"),
        (object("keras_hub.models", "Backbone", r#"{"origin":"http://a/b"}"#), "WB-KER-008"),
        (r#"{"config":"{\"class_name\":\"Lambda\",\"config\":{}}"}"#.into(), "WB-KER-001"),
    ] {
        let (found, verdict) = judge(&layer);
        assert!(found.contains(&rule), "{rule} {layer}: {found:?}");
        assert!(verdict >= Verdict::Suspicious);
    }
}

#[test]
fn every_encoding_that_python_takes_is_read() {
    let text = r#"{"a": "ü"}"#;
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wider: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    for bytes in [text.as_bytes().to_vec(), wide.clone(), wider, [vec![0xff, 0xfe], wide].concat()] {
        assert_eq!(code::as_utf8(&bytes), text.as_bytes());
    }
}

#[test]
fn parts_of_keras_are_told_by_their_whole_names() {
    assert_eq!(names::inside_keras("keras.src.layers.core"), Some("layers.core"));
    assert_eq!(names::inside_keras("kerasx.layers"), None);
    assert_eq!(names::inside_keras("keras_evil"), None);
    assert!(names::reaches_out("utils.file_utils") && !names::reaches_out("utilsx"));
}

/// The rules for a whole file.
fn whole(name: &str, text: &str) -> Vec<&'static str> {
    match scan(name, Arc::new(Bytes::from(text.to_owned())), &Limits::default(), None) {
        Outcome::Judged(report) => report.findings.iter().map(|finding| finding.rule.id).collect(),
        Outcome::Needs(_) => unreachable!("all of it is here"),
    }
}

#[test]
fn a_class_is_found_below_lists_and_plain_objects() {
    let lambda = r#"{"class_name":"Lambda","config":{"function":["4wEA",null,null]}}"#;
    let call = r#"{"module":"os","class_name":"function","config":"system"}"#;
    for text in [format!("[{lambda}]"), format!(r#"{{"a":[{{"b":{lambda}}}]}}"#), format!(r#"{{"model":{lambda}}}"#)] {
        assert!(whole("config.json", &text).contains(&"WB-KER-001"), "{text}");
    }
    assert!(whole("config.json", &format!(r#"{{"a":{call}}}"#)).contains(&"WB-KER-002"));
    // Others write classes with configs too.
    for text in [
        r#"{"nodes":[{"class_name":"TextNode","config":{"text":"x"}}]}"#,
        r#"[{"class_name":"Mine","module":"mine.models"}]"#,
        r#"{"data":{"class_name":"cat","config":3}}"#,
    ] {
        assert_eq!(whole("data.json", text), [""; 0], "{text}");
    }
}

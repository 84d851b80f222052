//! What a name promises, and whether the content breaks the promise in a way that matters.
//!
//! A picture named as another kind of picture matters to nobody. A pickle named as weights that cannot run does: whoever
//! trusts the name opens it without care. Names for which any content is ordinary are not in the table.

use crate::{
    formats::{Format, Probe, sniff, sniff::Family},
    rules,
    scan::Scan,
};

/// Names, what they promise, and which active content is ordinary there all the same.
struct Promise {
    ends: &'static [&'static str],
    says: &'static str,
    may: &'static [Family],
}

const PROMISES: &[Promise] = &[
    Promise { ends: &[".safetensors"], says: "safetensors weights", may: &[] },
    Promise { ends: &[".gguf", ".ggml"], says: "GGUF weights", may: &[] },
    Promise { ends: &[".onnx", ".tflite", ".pb", ".mlmodel", ".pbtxt"], says: "a model graph", may: &[] },
    Promise { ends: &[".h5", ".hdf5"], says: "HDF5 weights", may: &[Family::Hdf5] },
    Promise { ends: &[".keras"], says: "a Keras model", may: &[Family::Hdf5, Family::Zip] },
    Promise { ends: &[".npy"], says: "a numpy array", may: &[Family::Numpy] },
    Promise { ends: &[".npz"], says: "numpy arrays", may: &[Family::Zip] },
    Promise { ends: &[".msgpack"], says: "Flax weights", may: &[] },
    Promise {
        ends: &[
            ".json", ".jsonl", ".yaml", ".yml", ".toml", ".txt", ".md", ".csv", ".tsv", ".jinja", ".ipynb", ".html",
        ],
        says: "text",
        may: &[],
    },
    Promise {
        ends: &[".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ico", ".avif", ".heic", ".svg"],
        says: "a picture",
        may: &[],
    },
    Promise {
        ends: &[".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".mp4", ".mov", ".webm", ".mkv", ".avi"],
        says: "sound or film",
        may: &[],
    },
    Promise { ends: &[".parquet", ".arrow", ".feather"], says: "a table", may: &[] },
    Promise {
        ends: &[".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".model", ".params", ".weights"],
        says: "a model",
        may: &[
            Family::Pickle,
            Family::Zip,
            Family::Tar,
            Family::SevenZip,
            Family::Rar,
            Family::Compressed,
            Family::Hdf5,
            Family::Numpy,
        ],
    },
];

/// Compares the name with the content.
pub(crate) fn check(scan: &mut Scan<'_>, probe: &Probe<'_>, by_content: &[&Format]) {
    let Some(promise) = PROMISES.iter().find(|promise| probe.named(promise.ends)) else { return };
    let pickle = by_content.iter().any(|format| format.name == "pickle");
    let Some(is) = sniff::of(&probe.head).or(pickle.then_some(Family::Pickle)) else { return };
    let source = probe.source;
    let (name, says) = (source.file_name(), promise.says);
    if is == Family::Script {
        let message = format!("`{name}` says {says}, and the content is a script that a shell or interpreter runs.");
        scan.found(&rules::SCRIPT_FILE, source, 0, message);
    } else if is.is_active() && !promise.may.contains(&is) {
        let message = format!("The name `{name}` says {says}, and the content is a {}.", is.word());
        scan.found(&rules::NAME_MISMATCH, source, 0, message);
    }
}

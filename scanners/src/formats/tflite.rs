//! TFLite models: which operations they need.
//!
//! Walks every table of the flatbuffer with checked offsets; the weights are left out.

use std::collections::BTreeMap;

use crate::{
    facts::TensorFact,
    formats::{
        Match, Probe,
        sniff::{self, Family},
        tensorflow::ops::{Op, look_up},
    },
    read::flatbuffer::{Flat, Kind, Spec, Table},
    rules::{self, Rule},
    scan::{Scan, Scanned, Stop},
    source::Source,
};

const NAME: u64 = 64 << 10;
/// The builtin operation that means: see the name.
const CUSTOM: u32 = 32;
/// The longest options of one operation that are read.
const OPTIONS: u64 = 1 << 20;

/// Custom operations that ordinary runtimes bring.
const KNOWN: &[&str] = &[
    "TFLite_Detection_PostProcess",
    "edgetpu-custom-op",
    "ethos-u",
    "AudioSpectrogram",
    "Mfcc",
    "NumericVerify",
    "Convolution2DTransposeBias",
    "MaxPoolingWithArgmax2D",
    "MaxUnpooling2D",
    "Landmarks2TransformMatrix",
    "TransformTensorBilinear",
    "TransformLandmarks",
    "TFSentencepieceTokenizeOp",
    "TFSentencepieceDetokenizeOp",
    "TFSentencepieceOp",
    "AddN",
    "RandomUniform",
    "RandomStandardNormal",
    "Multinomial",
    "Irfft",
    "Rfft",
    "Roll",
    "HashTableV2",
    "LookupTableFindV2",
    "LookupTableImportV2",
    "LookupTableSizeV2",
    "ResizeNearestNeighbor",
    "aeq.hadamard_rotation",
    "odml.update_kv_cache",
    "odml.update_external_kv_cache",
    "odml.scaled_dot_product_attention",
    "SIGNAL_OVERLAP_ADD",
    "SignalWindow",
    "SignalRfft",
    "SignalFilterBank",
    "SignalEnergy",
    "SignalFramer",
    "SignalPCAN",
    "SignalStacker",
    "SignalDelay",
    "SignalFilterBankLog",
    "SignalFilterBankSpectralSubtraction",
    "SignalFilterBankSquareRoot",
    "SignalFftAutoScale",
    "SignalIrfft",
    "SignalOverlapAdd",
    "CIRCULAR_BUFFER",
    "tftext:WhitespaceTokenizer",
    "tftext:Ngrams",
    "NgramsStringJoin",
    "RaggedTensorToTensor",
    "PredictionPostprocess",
    "Normalize",
    "ExtractFeatures",
    "Predict",
    "PRECISE_SIN",
    "DISPATCH_OP",
    "STABLEHLO_CUSTOM_CALL",
    "Decode_JPEG",
    "READ_VARIABLE",
    "ASSIGN_VARIABLE",
    "VAR_HANDLE",
    "Bucketize",
    "UnsortedSegmentProd",
    "Atan2",
    "Sign",
    "Conv3d",
    "GRU",
    "XNNPACK",
];

const QUANTIZATION: Spec = Spec {
    name: "quantization",
    fields: &[(0, Kind::Numbers(4)), (1, Kind::Numbers(4)), (2, Kind::Numbers(4)), (3, Kind::Numbers(8))],
};
const TENSOR: Spec = Spec {
    name: "tensor",
    fields: &[(0, Kind::Numbers(4)), (3, Kind::Text), (4, Kind::Table(&QUANTIZATION)), (7, Kind::Numbers(4))],
};
const OPERATOR: Spec = Spec {
    name: "operator",
    fields: &[
        (1, Kind::Numbers(4)),
        (2, Kind::Numbers(4)),
        (5, Kind::Numbers(1)),
        (7, Kind::Numbers(1)),
        (8, Kind::Numbers(4)),
    ],
};
const SUBGRAPH: Spec = Spec {
    name: "subgraph",
    fields: &[
        (0, Kind::Tables(&TENSOR)),
        (1, Kind::Numbers(4)),
        (2, Kind::Numbers(4)),
        (3, Kind::Tables(&OPERATOR)),
        (4, Kind::Text),
    ],
};
const CODE: Spec = Spec { name: "operator code", fields: &[(1, Kind::Text)] };
const BUFFER: Spec = Spec { name: "buffer", fields: &[(0, Kind::Data)] };
const METADATA: Spec = Spec { name: "metadata", fields: &[(0, Kind::Text)] };
const TENSOR_MAP: Spec = Spec { name: "tensor map", fields: &[(0, Kind::Text)] };
const SIGNATURE: Spec = Spec {
    name: "signature",
    fields: &[(0, Kind::Tables(&TENSOR_MAP)), (1, Kind::Tables(&TENSOR_MAP)), (2, Kind::Text)],
};
static MODEL: Spec = Spec {
    name: "model",
    fields: &[
        (1, Kind::Tables(&CODE)),
        (2, Kind::Tables(&SUBGRAPH)),
        (3, Kind::Text),
        (4, Kind::Tables(&BUFFER)),
        (5, Kind::Numbers(4)),
        (6, Kind::Tables(&METADATA)),
        (7, Kind::Tables(&SIGNATURE)),
    ],
};

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    if probe.has_at(4, b"TFL3") {
        Match::Content
    } else if probe.named(&[".tflite"]) {
        Match::Name
    } else {
        Match::No
    }
}

/// Inspects a model.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut flat = Flat::of(source, 0..source.len());
    let mut seen: BTreeMap<String, (u64, &'static Rule, String)> = BTreeMap::new();
    let mut codes = 0;
    let walked = flat.walk(scan, &MODEL, |scan, flat, spec, table| match spec.name {
        "operator code" => code(flat, table, &mut seen),
        "operator" => options(scan, source, flat, table),
        "buffer" => buffer(scan, source, flat, table),
        "tensor" => tensor(scan, flat, table),
        "model" => {
            codes = flat.vector(table, 1, 4)?.map_or(0, |(_, count)| count);
            Ok(())
        }
        "subgraph" => {
            let tensors = flat.vector(table, 0, 4)?.map_or(0, |(_, count)| count);
            for slot in [1, 2] {
                numbers(scan, source, flat, table, slot, tensors)?;
            }
            let Some((start, count)) = flat.vector(table, 3, 4)? else { return Ok(()) };
            for place in 0..count {
                let operator = flat.table_at(start + place * 4)?;
                for slot in [1, 2] {
                    numbers(scan, source, flat, operator, slot, tensors)?;
                }
                let code = u64::from(flat.u32(operator, 0)?.unwrap_or(0));
                if code >= codes {
                    let message = format!("An operator has the operation {code}, and the model has {codes} of them.");
                    scan.found(&rules::LITE_NUMBERS, source, operator.place(), message);
                }
            }
            Ok(())
        }
        _ => Ok(()),
    });
    for (at, rule, message) in seen.into_values() {
        scan.found(rule, source, at, message);
    }
    walked?;
    let end = flat.end().next_multiple_of(16).min(source.len());
    flat.mark(scan)?;
    if source.len() - end > 64 {
        // Files that go with the model are put behind it as a zip.
        scan.inner(&source.member("trailer", end..source.len()));
    }
    Ok(())
}

/// OperatorCode: a builtin, or the name of a custom operation.
fn code(flat: &mut Flat<'_>, table: Table, seen: &mut BTreeMap<String, (u64, &'static Rule, String)>) -> Scanned<()> {
    let old = u32::from(flat.u8(table, 0)?.unwrap_or(0));
    let new = flat.u32(table, 3)?.unwrap_or(0);
    let name = flat.text(table, 1, NAME)?;
    if old != CUSTOM && new != CUSTOM {
        return Ok(());
    }
    let name = name.unwrap_or_default();
    if let Some((rule, message)) = judge(&name) {
        seen.entry(name).or_insert((table.place(), rule, message));
    }
    Ok(())
}

fn judge(name: &str) -> Option<(&'static Rule, String)> {
    let flex = name.strip_prefix("Flex");
    let (rule, why) = match flex.map(look_up) {
        Some(Some(Op::Plain | Op::Path(..))) => {
            (&rules::LITE_CUSTOM_OP, "runs in TensorFlow itself, which has to be there too".to_owned())
        }
        Some(Some(Op::File(what))) => {
            (&rules::GRAPH_FILE_OP, format!("runs TensorFlow's `{}`, which {what}", flex.unwrap_or_default()))
        }
        Some(Some(Op::Python)) => (&rules::GRAPH_PYTHON_OP, "calls a function of the Python process".to_owned()),
        Some(Some(Op::Library(what))) => (&rules::GRAPH_LIBRARY, what.to_owned()),
        Some(None) => (&rules::LITE_CUSTOM_OP, "is no operation of TensorFlow that is known".to_owned()),
        None if KNOWN.contains(&name) || name.starts_with("tftext:") || name.starts_with("TFText>") => return None,
        None => (&rules::LITE_CUSTOM_OP, "has to be brought by the program that runs the model".to_owned()),
    };
    Some((rule, format!("The model needs the custom operation `{name}`; it {why}.")))
}

/// The options of a Flex operation hold the TensorFlow node that is really run, whatever the operation is called.
fn options(scan: &mut Scan<'_>, source: &Source, flat: &mut Flat<'_>, table: Table) -> Scanned<()> {
    let Some((start, length)) = flat.vector(table, 5, 1)? else { return Ok(()) };
    if length > OPTIONS {
        return Err(Stop::Spent(format!("an operation has {length} bytes of options")));
    }
    let bytes = flat.bytes(start, length)?;
    scan.steps(length / 16)?;
    // Options that are no TensorFlow node are numbers for an operation that is known.
    flat.left_out(start..start + length);
    for word in bytes.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_') {
        let Ok(word) = std::str::from_utf8(word) else { continue };
        let (rule, what) = match look_up(word) {
            Some(Op::File(what)) => (&rules::GRAPH_FILE_OP, what),
            Some(Op::Python) => (&rules::GRAPH_PYTHON_OP, "calls a function of the Python process"),
            Some(Op::Library(what)) => (&rules::GRAPH_LIBRARY, what),
            _ => continue,
        };
        let message = format!("The options of an operation hold TensorFlow's `{word}`, which {what}.");
        scan.found(rule, source, start, message);
    }
    Ok(())
}

/// The tensors that an operator or a graph takes and gives have to be there; -1 stands for one that is left out.
fn numbers(
    scan: &mut Scan<'_>,
    source: &Source,
    flat: &mut Flat<'_>,
    table: Table,
    slot: u16,
    tensors: u64,
) -> Scanned<()> {
    let Some((start, count)) = flat.vector(table, slot, 4)? else { return Ok(()) };
    scan.steps(count)?;
    for place in 0..count {
        let bytes = flat.bytes(start + place * 4, 4)?;
        let number = bytes.as_ref().try_into().map_or(0, i32::from_le_bytes);
        if number < -1 || i64::from(number) >= tensors.cast_signed() {
            let message = format!("An operator has the tensor {number}, and its graph has {tensors} of them.");
            scan.found(&rules::LITE_NUMBERS, source, start + place * 4, message);
            break;
        }
    }
    Ok(())
}

/// A large model keeps its data behind the flatbuffer.
fn buffer(scan: &mut Scan<'_>, source: &Source, flat: &mut Flat<'_>, table: Table) -> Scanned<()> {
    if let Some((start, length)) = flat.vector(table, 0, 1)? {
        flat.forget_last();
        carried_program(scan, source, start..start + length)?;
    }
    let (offset, size) = (flat.u64(table, 1)?.unwrap_or(0), flat.u64(table, 2)?.unwrap_or(0));
    if offset > 1 {
        match offset.checked_add(size) {
            Some(end) if end <= source.len() => flat.left_out(offset..end),
            _ => return Err(Stop::broken(table.place(), "a buffer lies outside of the file")),
        }
    }
    Ok(())
}

/// Weights can begin like almost anything, but not like a whole program.
fn carried_program(scan: &mut Scan<'_>, source: &Source, range: std::ops::Range<u64>) -> Scanned<()> {
    if range.end - range.start < 64 {
        return Ok(());
    }
    let head = source.read_up_to(range.start, 64)?;
    if let Some(Family::Program(kind)) = sniff::of(&head) {
        let message = format!("There is a program ({kind}) in a buffer of the model.");
        scan.found(&rules::EXECUTABLE_IN_GAP, source, range.start, message);
        scan.inner(&source.member("buffer", range));
    }
    Ok(())
}

fn tensor(scan: &mut Scan<'_>, flat: &mut Flat<'_>, table: Table) -> Scanned<()> {
    let name = flat.text(table, 3, NAME)?.unwrap_or_default();
    let mut shape = Vec::new();
    if let Some((start, count)) = flat.vector(table, 0, 4)? {
        if count > 64 {
            return Err(Stop::broken(start, format!("a tensor has {count} dimensions")));
        }
        for bytes in flat.bytes(start, count * 4)?.chunks_exact(4) {
            shape.push(bytes.try_into().map_or(0, u32::from_le_bytes).into());
        }
    }
    let kinds = ["F32", "F16", "I32", "U8", "I64", "STRING", "BOOL", "I16", "C64", "I8", "F64", "C128", "U64"];
    let dtype = kinds.get(usize::from(flat.u8(table, 1)?.unwrap_or(0))).copied().unwrap_or("?").to_owned();
    if (scan.facts.tensors.len() as u64) < scan.limits.tensors {
        scan.facts.tensors.push(TensorFact { name, dtype, shape });
    }
    Ok(())
}

//! Files of weights, byte by byte: safetensors, and what `torch.save` writes, without torch.
//!
//! Large tensors cost nothing: their bytes stay what they are, generated or sparse. Never loads anything.

use std::fmt::Write as _;

use crate::content::Content;

/// A tensor of a torch file: where in which storage it lies.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: String,
    /// The number of its storage.
    pub storage: usize,
    /// In elements.
    pub offset: u64,
    pub shape: Vec<u64>,
    /// In elements; row by row when empty.
    pub strides: Vec<u64>,
}

impl Tensor {
    /// All of a storage, in this shape.
    pub fn new(name: &str, storage: usize, shape: &[u64]) -> Self {
        Self { name: name.to_owned(), storage, offset: 0, shape: shape.to_vec(), strides: Vec::new() }
    }

    pub fn at(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    pub fn strides(mut self, strides: &[u64]) -> Self {
        self.strides = strides.to_vec();
        self
    }
}

/// A safetensors file: name, type, shape and bytes of each tensor.
pub fn safetensors(tensors: &[(&str, &str, &[u64], Content)]) -> Content {
    let (mut header, mut at) = (String::from("{"), 0);
    let mut data = Content::bytes(Vec::new());
    for (number, (name, dtype, shape, bytes)) in tensors.iter().enumerate() {
        let comma = if number > 0 { "," } else { "" };
        let end = at + bytes.len();
        let _ =
            write!(header, r#"{comma}"{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{at},{end}]}}"#);
        at = end;
        data = data.then(bytes);
    }
    header.push('}');
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut front = (header.len() as u64).to_le_bytes().to_vec();
    front.extend_from_slice(header.as_bytes());
    Content::bytes(front).then(&data)
}

/// What `torch.save` writes of a dict of tensors: a zip of stored members. A storage is its kind (`Float`, `BFloat16`), the
/// bytes of one element, and its bytes. `byteorder` is what torch writes down of the machine, if anything.
pub fn torch(tensors: &[Tensor], storages: &[(&str, u64, Content)], byteorder: Option<&str>) -> Content {
    let mut members = vec![("model/data.pkl".to_owned(), Content::bytes(pickle(tensors, storages, false)))];
    if let Some(order) = byteorder {
        members.push(("model/byteorder".to_owned(), Content::from(order.to_owned())));
    }
    for (number, (_, _, bytes)) in storages.iter().enumerate() {
        members.push((format!("model/data/{number}"), bytes.clone()));
    }
    members.push(("model/version".to_owned(), Content::from("3\n")));
    zip(&members)
}

/// The same as torch wrote it before 1.6: five pickles, then the storages, each behind the number of its elements.
pub fn torch_legacy(tensors: &[Tensor], storages: &[(&str, u64, Content)]) -> Content {
    let mut front = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}(".to_vec();
    text(&mut front, "protocol_version");
    front.extend(b"M\xe9\x03");
    text(&mut front, "little_endian");
    front.extend(b"\x88u.");
    front.extend(pickle(tensors, storages, true));
    front.extend(b"\x80\x02](");
    for number in 0..storages.len() {
        text(&mut front, &number.to_string());
    }
    front.extend(b"e.");
    storages.iter().fold(Content::bytes(front), |file, (_, size, bytes)| {
        file.then(&Content::bytes((bytes.len() / size).to_le_bytes().to_vec())).then(bytes)
    })
}

fn pickle(tensors: &[Tensor], storages: &[(&str, u64, Content)], legacy: bool) -> Vec<u8> {
    let mut out = b"\x80\x02}".to_vec();
    for tensor in tensors {
        let Some((kind, size, bytes)) = storages.get(tensor.storage) else { continue };
        text(&mut out, &tensor.name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(format!("ctorch\n{kind}Storage\n").as_bytes());
        text(&mut out, &tensor.storage.to_string());
        text(&mut out, "cpu");
        number(&mut out, bytes.len() / size);
        // Old files say whether the storage is a view of another.
        out.extend(if legacy { b"NtQ".as_slice() } else { b"tQ" });
        number(&mut out, tensor.offset);
        let mut strides = tensor.strides.clone();
        if strides.is_empty() {
            let mut stride = 1;
            for length in tensor.shape.iter().rev() {
                strides.insert(0, stride);
                stride *= length;
            }
        }
        for numbers in [&tensor.shape, &strides] {
            out.push(b'(');
            for one in numbers {
                number(&mut out, *one);
            }
            out.push(b't');
        }
        out.extend(b"\x89ccollections\nOrderedDict\n)RtRs");
    }
    out.push(b'.');
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend(u32::try_from(text.len()).unwrap_or_default().to_le_bytes());
    out.extend(text.as_bytes());
}

/// An integer of eight bytes, which holds every count there is.
fn number(out: &mut Vec<u8>, number: u64) {
    out.extend(b"\x8a\x08");
    out.extend(number.to_le_bytes());
}

/// A zip archive of stored members. Of large ones the checksum is left out, as nobody reads all of them for it.
pub fn zip(members: &[(String, Content)]) -> Content {
    let (mut file, mut directory, mut count) = (Content::bytes(Vec::new()), Vec::new(), 0_u16);
    let word = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    for (name, bytes) in members {
        let offset = word(file.len());
        let crc = if bytes.len() > 256 << 10 { 0 } else { crc32(&bytes.read(0, usize::MAX)) };
        // Version, flags, method, time and date, CRC, both sizes, and the lengths of the name and of the extra field.
        let mut shared = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x5c];
        shared.extend(crc.to_le_bytes());
        shared.extend(word(bytes.len()));
        shared.extend(word(bytes.len()));
        shared.extend(u16::try_from(name.len()).unwrap_or_default().to_le_bytes());
        shared.extend([0, 0]);
        let front = [b"PK\x03\x04".as_slice(), &shared, name.as_bytes()].concat();
        file = file.then(&Content::bytes(front)).then(bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&shared);
        directory.extend([0; 10]);
        directory.extend(offset);
        directory.extend(name.as_bytes());
        count += 1;
    }
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    end.extend(word(directory.len() as u64));
    end.extend(word(file.len()));
    end.extend([0, 0]);
    file.then(&Content::bytes(directory)).then(&Content::bytes(end))
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    })
}

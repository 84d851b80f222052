//! What bytes are, told from their first few alone: enough to say that something is where it does not belong.
//!
//! A guess, never a verdict: nothing is marked as seen because of what is said here.

/// What bytes seem to be. Only what a program would load or unpack by itself is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Pickle,
    Zip,
    Tar,
    SevenZip,
    Rar,
    /// Gzip, bzip2, xz, zstd, lz4.
    Compressed,
    /// A program of a kind: "ELF".
    Program(&'static str),
    Script,
    Hdf5,
    Safetensors,
    Gguf,
    Numpy,
}

impl Family {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Family::Pickle => "pickle",
            Family::Zip => "zip archive",
            Family::Tar => "tar archive",
            Family::SevenZip => "7z archive",
            Family::Rar => "rar archive",
            Family::Compressed => "compressed stream",
            Family::Program(_) => "program",
            Family::Script => "script",
            Family::Hdf5 => "HDF5 file",
            Family::Safetensors => "safetensors file",
            Family::Gguf => "GGUF file",
            Family::Numpy => "numpy array",
        }
    }

    /// Whether it can hold what runs.
    pub(crate) fn is_active(self) -> bool {
        !matches!(self, Family::Safetensors | Family::Gguf)
    }
}

/// What the bytes that begin with `head` seem to be.
pub(crate) fn of(head: &[u8]) -> Option<Family> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    if let Some(program) = program(head) {
        return Some(Family::Program(program));
    }
    if is_script(head) {
        return Some(Family::Script);
    }
    if is_pickle(head) {
        return Some(Family::Pickle);
    }
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") || starts(b"PK\x07\x08PK") {
        return Some(Family::Zip);
    }
    if starts(b"7z\xbc\xaf\x27\x1c") {
        return Some(Family::SevenZip);
    }
    if starts(b"Rar!\x1a\x07") {
        return Some(Family::Rar);
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(Family::Tar);
    }
    let packed: [&[u8]; 5] = [b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"];
    if packed.iter().any(|magic| starts(magic)) {
        return Some(Family::Compressed);
    }
    if starts(b"\x89HDF\r\n\x1a\n") {
        return Some(Family::Hdf5);
    }
    if starts(b"GGUF") {
        return Some(Family::Gguf);
    }
    if starts(b"\x93NUMPY") {
        return Some(Family::Numpy);
    }
    let small_length = head.get(4..8) == Some(&[0; 4]);
    (small_length && head.get(8..10) == Some(b"{\"")).then_some(Family::Safetensors)
}

/// What the kernel hands to an interpreter: two letters, blanks, and a path.
fn is_script(head: &[u8]) -> bool {
    let path = head.strip_prefix(b"#!").map(|line| line.iter().find(|byte| !matches!(byte, b' ' | b'\t')));
    path == Some(Some(&b'/'))
}

/// The protocols 2 to 5 say what they are; the opcode that follows has to be one that a writer begins with. The older ones
/// look like any text and are for the reader of pickles to tell.
fn is_pickle(head: &[u8]) -> bool {
    match head {
        [0x80, 2..=5, 0x95, ..] => true,
        [0x80, 2..=5, next, ..] => {
            matches!(next, b'c' | b'}' | b']' | b'(' | b')' | b'X' | b'U' | b'K' | b'J' | b'M' | b'N' | b'q' | b'h')
                || matches!(next, 0x8a..=0x8f | b'C' | b'B' | b'T' | b'V' | b'S' | b'I' | b'G' | 0x88 | 0x89)
        }
        _ => false,
    }
}

/// The kind of native program, if it is one.
pub(crate) fn native(head: &[u8]) -> Option<&'static str> {
    let u32_le = |at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    match head {
        [0x7f, b'E', b'L', b'F', rest @ ..] if is_elf(rest) => return Some("ELF"),
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', b'\n', ..] => return Some("a package or library of object files"),
        [b'M', b'Z', ..] => {
            let at = usize::try_from(u32_le(0x3c)?).ok()?;
            return match head.get(at..at.checked_add(4)?) {
                Some(b"PE\0\0") => Some("PE"),
                Some([b'N' | b'L', b'E' | b'X', ..]) => Some("old Windows"),
                // The new header lies further than what is looked at, as it may.
                None if at < 1 << 28 && head.get(2..0x3c).is_some_and(|h| h.iter().any(|b| *b != 0)) => {
                    Some("DOS or PE")
                }
                _ => None,
            };
        }
        _ => {}
    }
    match u32_le(0)? {
        // Thin Mach-O, of either word size and byte order; the kind of file is a small number.
        magic @ (0xfeed_face | 0xfeed_facf | 0xcefa_edfe | 0xcffa_edfe) => {
            let kind = u32_le(12)?;
            let kind = if magic & 0xff == 0xfe { kind.swap_bytes() } else { kind };
            (1..=20).contains(&kind).then_some("Mach-O")
        }
        // Fat Mach-O shares its magic with Java classes: where those have their version, it has a few architectures.
        0xbeba_feca | 0xbfba_feca => {
            let count = u32_le(4)?.swap_bytes();
            (1..30).contains(&count).then_some("Mach-O for several processors")
        }
        _ => None,
    }
}

/// Linux looks at the first four bytes, at the kind of file and at the processor, and not at the twelve bytes between; the
/// loader of libraries looks at those. What either takes is a program.
fn is_elf(behind_magic: &[u8]) -> bool {
    let said = matches!(behind_magic, [1 | 2, 1 | 2, 1, ..]);
    let kind = |bytes: &[u8]| matches!(bytes, [1..=4, 0] | [0, 1..=4]);
    said || behind_magic.get(12..14).is_some_and(kind)
}

/// The kind of program that a virtual machine runs, if it is one.
pub(crate) fn portable(head: &[u8]) -> Option<&'static str> {
    match head {
        [0, b'a', b's', b'm', 1..=0x0d, 0, 0 | 1, 0, ..] => Some("WebAssembly"),
        [b'd', b'e', b'x', b'\n', b'0', b'0'..=b'9', b'0'..=b'9', 0, ..] => Some("Android dex"),
        [0xca, 0xfe, 0xba, 0xbe, _, _, 0, version @ 45..=100, ..] if *version >= 45 => Some("Java class"),
        [b'B', b'C', 0xc0, 0xde, ..] => Some("LLVM bytecode"),
        [0x1b, b'L', b'u', b'a', 0x51..=0x5f, ..] => Some("Lua bytecode"),
        [b'M', b'T', b'L', b'B', ..] => Some("Metal kernels"),
        [0x4c, 0, 0, 0, 1, 0x14, 2, 0, ..] => Some("a Windows shortcut, which names what it starts"),
        _ => is_ptx(head).then_some("CUDA kernels"),
    }
}

/// CUDA kernels as text: directives behind comments.
fn is_ptx(head: &[u8]) -> bool {
    // What begins with anything else is not gone through.
    let start = head.trim_ascii_start();
    if !start.starts_with(b"//") && !start.starts_with(b".version ") {
        return false;
    }
    let lines =
        head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty() && !line.starts_with(b"//"));
    let mut lines = lines.take(2);
    lines.next().is_some_and(|line| line.starts_with(b".version "))
        && lines.next().is_some_and(|line| line.starts_with(b".target sm_"))
}

pub(crate) fn is_llamafile(head: &[u8]) -> bool {
    head.starts_with(b"MZqFpD=") || head.starts_with(b"jartsr=")
}

fn program(head: &[u8]) -> Option<&'static str> {
    if is_llamafile(head) {
        return Some("a portable executable for several systems");
    }
    native(head).or_else(|| portable(head))
}

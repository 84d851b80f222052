//! The element types of GGUF tensors and the sizes of their blocks.

/// How a type is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// So many elements in so many bytes.
    Blocks { elements: u64, bytes: u64 },
    /// Known by name from a fork of the library; its rows have no fixed size.
    OfFork,
}

/// The name and layout of a type; nothing where no library has it.
pub(crate) fn layout(id: u32) -> Option<(&'static str, Layout)> {
    let (name, elements, bytes) = match id {
        0 => ("F32", 1, 4),
        1 => ("F16", 1, 2),
        2 => ("Q4_0", 32, 18),
        3 => ("Q4_1", 32, 20),
        6 => ("Q5_0", 32, 22),
        7 => ("Q5_1", 32, 24),
        8 => ("Q8_0", 32, 34),
        9 => ("Q8_1", 32, 36),
        10 => ("Q2_K", 256, 84),
        11 => ("Q3_K", 256, 110),
        12 => ("Q4_K", 256, 144),
        13 => ("Q5_K", 256, 176),
        14 => ("Q6_K", 256, 210),
        15 => ("Q8_K", 256, 292),
        16 => ("IQ2_XXS", 256, 66),
        17 => ("IQ2_XS", 256, 74),
        18 => ("IQ3_XXS", 256, 98),
        19 => ("IQ1_S", 256, 50),
        20 => ("IQ4_NL", 32, 18),
        21 => ("IQ3_S", 256, 110),
        22 => ("IQ2_S", 256, 82),
        23 => ("IQ4_XS", 256, 136),
        24 => ("I8", 1, 1),
        25 => ("I16", 1, 2),
        26 => ("I32", 1, 4),
        27 => ("I64", 1, 8),
        28 => ("F64", 1, 8),
        29 => ("IQ1_M", 256, 56),
        30 => ("BF16", 1, 2),
        // Rearranged for some processors; no longer written, still about.
        31 => ("Q4_0_4_4", 32, 18),
        32 => ("Q4_0_4_8", 32, 18),
        33 => ("Q4_0_8_8", 32, 18),
        34 => ("TQ1_0", 256, 54),
        35 => ("TQ2_0", 256, 66),
        36 => ("IQ4_NL_4_4", 32, 18),
        37 => ("IQ4_NL_4_8", 32, 18),
        38 => ("IQ4_NL_8_8", 32, 18),
        39 => ("MXFP4", 32, 17),
        40 => ("NVFP4", 64, 36),
        41 => ("Q1_0", 128, 18),
        // ik_llama.cpp.
        133..=158 | 202..=399 => return Some(("of a fork", Layout::OfFork)),
        _ => return None,
    };
    Some((name, Layout::Blocks { elements, bytes }))
}

impl Layout {
    /// Bytes of a tensor of these dimensions. Nothing where that overflows, or rows do not consist of whole blocks.
    pub(crate) fn bytes(self, dims: &[u64]) -> Option<u64> {
        let Layout::Blocks { elements, bytes } = self else { return None };
        let row = dims.first().copied().unwrap_or(1);
        if row % elements != 0 {
            return None;
        }
        dims.iter().skip(1).try_fold((row / elements).checked_mul(bytes)?, |all, d| all.checked_mul(*d))
    }
}

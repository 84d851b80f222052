//! Base64 as Python reads it: what is not of its alphabet is left out. Never fails.

/// The bytes that the text stands for.
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let (mut out, mut held, mut bits) = (Vec::with_capacity(text.len() / 4 * 3 + 3), 0_u32, 0);
    let mut rest = text;
    loop {
        // Four letters are three bytes, as long as nothing stands between them.
        if bits == 0
            && let Some((four, behind)) = rest.split_first_chunk::<4>()
            && let [a, b, c, d] = four.map(value)
            && (a | b | c | d) < OTHER
        {
            out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
            rest = behind;
            continue;
        }
        let Some((letter, behind)) = rest.split_first() else { return out };
        rest = behind;
        let value = value(*letter);
        if value == OTHER {
            continue;
        }
        held = (held << 6 | u32::from(value)) & 0x00ff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(held >> bits & 0xff).unwrap_or_default());
        }
    }
}

fn value(letter: u8) -> u8 {
    VALUES[usize::from(letter)]
}

/// No letter of the alphabet. Every value is less.
const OTHER: u8 = 64;

const VALUES: [u8; 256] = {
    let mut values = [OTHER; 256];
    let alphabets = [
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    ];
    let mut at: u8 = 0;
    while at < OTHER {
        values[alphabets[0][at as usize] as usize] = at;
        values[alphabets[1][at as usize] as usize] = at;
        at += 1;
    }
    values
};

pub(crate) fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_neither_alphabet_is_left_out_wherever_it_stands() {
        assert_eq!(decode(b"TWFuTWFu"), b"ManMan");
        for text in ["TWFuTWFuTQ==", "T WFuT\nWFuTQ", "=TWFuTWFu=T=Q", "TWF\u{ff}uTWFuT\0Q=", "TW\u{e9}FuTWFuTQ"] {
            assert_eq!(decode(text.as_bytes()), b"ManManM", "{text}");
        }
        assert_eq!(decode(b"+/-_+/-_"), [0xfb, 0xff, 0xbf, 0xfb, 0xff, 0xbf]);
        assert!(decode(b"").is_empty() && decode(b"A").is_empty());
    }
}

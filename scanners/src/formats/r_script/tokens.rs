//! The words of R: names, texts and marks, without comments and blanks. Ends of lines are marks.

/// One word, with the byte where it begins. Of texts and quoted names that is what stands between the quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Name(usize, &'a str),
    Text(usize, &'a str),
    Mark(usize, char),
}

/// The words of the text, in order. An arrow is one mark, `<`.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let first = rest.chars().next()?;
            let start = at;
            match first {
                '#' => at += rest.find('\n').unwrap_or(rest.len()),
                '\'' | '"' | '`' => {
                    let inner = quoted(rest.get(1..)?, first);
                    at += 1 + inner.len() + 1;
                    return Some(if first == '`' {
                        Token::Name(start + 1, inner)
                    } else {
                        Token::Text(start + 1, inner)
                    });
                }
                'r' | 'R' if raw(rest).is_some() => {
                    let (open, inner, all) = raw(rest)?;
                    at += all;
                    return Some(Token::Text(start + open, inner));
                }
                '<' if rest.starts_with("<-") || rest.starts_with("<<-") => {
                    at += if rest.starts_with("<-") { 2 } else { 3 };
                    return Some(Token::Mark(start, '<'));
                }
                c if is_letter(c) => {
                    let length = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
                    at += length;
                    return Some(Token::Name(start, rest.get(..length)?));
                }
                '\n' => {
                    at += 1;
                    return Some(Token::Mark(start, '\n'));
                }
                c if c.is_whitespace() => at += c.len_utf8(),
                c => {
                    at += c.len_utf8();
                    return Some(Token::Mark(start, c));
                }
            }
        }
    })
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_')
}

/// What stands before the closing quote; a backslash keeps a quote open.
fn quoted(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            return text.get(..at).unwrap_or_default();
        }
        escaped = c == '\\' && !escaped;
    }
    text
}

/// A raw text, `r"--(…)--"`: where its inside begins, the inside, and the length of all of it.
fn raw(text: &str) -> Option<(usize, &str, usize)> {
    let rest = text.get(1..)?;
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let dashes = rest.get(1..)?.bytes().take_while(|b| *b == b'-').count();
    let close = match rest.get(1 + dashes..)?.chars().next()? {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        _ => return None,
    };
    let open = 3 + dashes;
    let end = format!("{close}{}{quote}", "-".repeat(dashes.min(64)));
    let inner = text.get(open..)?;
    let length = inner.find(&end).unwrap_or(inner.len());
    Some((open, inner.get(..length)?, (open + length + end.len()).min(text.len())))
}

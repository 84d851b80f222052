//! Whether the cells of a notebook are Python, each for itself. Nothing is judged and nothing is run.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use ruff_text_size::Ranged;

use super::{depth, room};
use crate::scan::Scanned;

/// A cell in the ways in which it can be read; each with the places at which its reader put lines of its own.
pub(crate) type Readings = Vec<(String, Vec<usize>)>;

/// For each cell the first of its readings that is Python, or why none is.
pub(crate) fn readable(cells: &[Readings]) -> Scanned<Vec<Result<usize, String>>> {
    room::run("cells", || cells.iter().map(first).collect())
}

fn first(readings: &Readings) -> Result<usize, String> {
    let mut why = None;
    for (number, (text, made)) in readings.iter().enumerate() {
        let Some(fault) = fault(text, made) else { return Ok(number) };
        why.get_or_insert(fault);
    }
    Err(why.unwrap_or_else(|| "there is nothing to read".to_owned()))
}

fn fault(text: &str, made: &[usize]) -> Option<String> {
    if depth::deepest(text, Mode::Module) > depth::MOST {
        return Some("it is nested deeper than any loader reads".to_owned());
    }
    let parsed = parse_unchecked(text, ParseOptions::from(Mode::Module));
    if let Some(error) = parsed.errors().first() {
        return Some(error.error.to_string());
    }
    // A line that its reader took for a command, and that stands in a string: the two do not read the same cell.
    let mut made = made.iter().copied().peekable();
    for token in parsed.tokens() {
        let start = token.range().start().to_usize();
        if made.peek().is_some_and(|at| *at < start) {
            return Some("its commands and its strings cannot be told apart".to_owned());
        }
        if made.peek() == Some(&start) && !matches!(token.kind(), TokenKind::Indent | TokenKind::Dedent) {
            made.next();
        }
    }
    made.next().map(|_| "its commands and its strings cannot be told apart".to_owned())
}

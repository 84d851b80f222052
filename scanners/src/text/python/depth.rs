//! How deep Python text nests, from its tokens: what a parser and a walk would need in stack. Never recurses.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

/// Deeper than this no person and no generator of model code writes; CPython itself gives up earlier in most forms.
pub(super) const MOST: usize = 3_000;

/// One open bracket: how many operators stand in it since the last comma, and whether a lambda began there, whose commas
/// do not end it.
#[derive(Default)]
struct Level {
    operators: usize,
    lambda: bool,
}

/// An upper bound of the depth of the syntax tree.
pub(super) fn deepest(text: &str, mode: Mode) -> usize {
    let mut lexer = lexer::lex(text, mode);
    let (mut levels, mut sum, mut indents, mut deepest) = (vec![Level::default()], 0_usize, 0_usize, 0_usize);
    loop {
        let token = lexer.next_token();
        match token {
            TokenKind::EndOfFile => return deepest,
            TokenKind::Newline | TokenKind::Semi => {
                levels.truncate(1);
                sum = 0;
                if let Some(level) = levels.last_mut() {
                    *level = Level::default();
                }
            }
            TokenKind::Indent => indents += 1,
            TokenKind::Dedent => indents = indents.saturating_sub(1),
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                sum += 1;
                levels.push(Level { operators: 1, lambda: false });
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace | TokenKind::FStringEnd | TokenKind::TStringEnd
                if levels.len() > 1 =>
            {
                sum -= levels.pop().map_or(0, |level| level.operators);
                if let Some(level) = levels.last_mut() {
                    level.operators += 1;
                    sum += 1;
                }
            }
            TokenKind::Comma => {
                if let Some(level) = levels.last_mut().filter(|level| !level.lambda) {
                    sum -= level.operators;
                    level.operators = 0;
                }
            }
            TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline
            | TokenKind::IpyEscapeCommand => {}
            other => {
                if let Some(level) = levels.last_mut() {
                    level.operators += 1;
                    level.lambda |= other == TokenKind::Lambda;
                    sum += 1;
                }
            }
        }
        deepest = deepest.max(sum + indents * 2 + levels.len());
    }
}

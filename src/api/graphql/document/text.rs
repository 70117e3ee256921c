//! How large the text of a document is, before it is parsed.
//!
//! The parser recurses for every bracket and takes its time for every token; how much stack and time a client may cost should not hang
//! on its care. Nothing here recurses: one pass over the bytes, which ends at the first limit, in the lexical grammar of the
//! specification (section 2.1 and appendix B.1). A text in which the parser sees another beginning of a string would hide brackets
//! from this pass; so a string without an end is refused here, and everything else means the same to both.

use async_graphql::Pos;

use crate::domain::Error;
use crate::domain::document_limits::{DocumentLimits, Measure};

/// What is wrong with a text.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is too large.
    TooLarge(Error),
    /// A string has no end; where it begins.
    OpenString(Pos),
}

/// Counts the tokens of a text, and how deep its brackets are nested; gives the number of tokens.
///
/// # Errors
/// The first fault.
pub(crate) fn check(text: &str, limits: &DocumentLimits) -> Result<usize, Fault> {
    let (mut at, mut tokens, mut depth) = (0, 0, 0_usize);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let Some(length) = length(&bytes[at..]) else {
            return Err(Fault::OpenString(position(text, at)));
        };
        at += length;
        if is_ignored(byte) {
            continue;
        }
        tokens += 1;
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        limits.check(Measure::Tokens, tokens).map_err(Fault::TooLarge)?;
        limits.check(Measure::Depth, depth).map_err(Fault::TooLarge)?;
    }
    Ok(tokens)
}

/// White space, line ends, commas, comments and the byte order mark stand between tokens (section 2.1.7). No other character outside
/// ASCII may stand outside a string or comment: the parser refuses it, wherever it counts.
fn is_ignored(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'#') || !byte.is_ascii()
}

/// The length of what begins here; `None` for a string without an end.
fn length(rest: &[u8]) -> Option<usize> {
    let run = |belongs: fn(u8) -> bool| rest.iter().take_while(|byte| belongs(**byte)).count();
    match rest[0] {
        b'#' => Some(run(|byte| !is_line_end(byte))),
        b'"' if rest.starts_with(br#"""""#) => block_string(rest),
        b'"' => string(rest),
        b'.' if rest.starts_with(b"...") => Some(3),
        b'-' | b'0'..=b'9' => Some(run(|byte| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte))),
        b'_' | b'a'..=b'z' | b'A'..=b'Z' => Some(run(|byte| byte.is_ascii_alphanumeric() || byte == b'_')),
        _ => Some(1),
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn string(rest: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match *rest.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if !is_line_end(*rest.get(at + 1)?) => at += 2,
            byte if is_line_end(byte) || byte == b'\\' => return None,
            _ => at += 1,
        }
    }
}

fn block_string(rest: &[u8]) -> Option<usize> {
    let mut at = 3;
    loop {
        let here = rest.get(at..).filter(|here| !here.is_empty())?;
        if here.starts_with(br#"""""#) {
            return Some(at + 3);
        }
        at += if here.starts_with(br#"\""""#) { 4 } else { 1 };
    }
}

fn position(text: &str, at: usize) -> Pos {
    let before = &text[..at];
    let column = before.chars().rev().take_while(|c| !matches!(c, '\r' | '\n')).count();
    Pos {
        line: before.lines().count() + usize::from(before.is_empty() || before.ends_with(['\r', '\n'])),
        column: column + 1,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    const LIMITS: DocumentLimits = DocumentLimits {
        depth: 4,
        fields: 0,
        aliases: 0,
        root_fields: 0,
        directives: 0,
        tokens: 16,
    };

    fn outcome(text: &str) -> String {
        match check(text, &LIMITS) {
            Ok(_) => "ok".to_owned(),
            Err(Fault::TooLarge(error)) => error.code().to_owned(),
            Err(Fault::OpenString(at)) => format!("{at}"),
        }
    }

    #[test]
    fn tokens_are_those_of_the_specification() {
        for (text, tokens) in [
            ("", 0),
            ("\u{feff} \t\r\n,,,  # a comment { [ ( \"\n", 0),
            ("{ a }", 3),
            ("... on User", 3),
            ("...on", 2),
            ("$a:Int!=-1.5e+3", 7),
            (r#""a { \" \\" "" "é""#, 3),
            (r#"""" { " "" \""" [ """ a"#, 2),
            (r#""""""" a"#, 2),
            ("@skip(if: true)", 7),
            ("a:b|c&d", 7),
        ] {
            let exactly = |tokens| check(text, &DocumentLimits { tokens, ..LIMITS }).is_ok();
            assert!(exactly(tokens), "{text}");
            assert!(tokens == 0 || !exactly(tokens - 1), "{text}");
        }
    }

    #[test]
    fn brackets_nest_whatever_their_kind_and_not_in_strings_and_comments() {
        for (text, expected) in [
            ("{ a { b(c: [1]) } }", "ok"),
            ("{ a { b(c: [[1]]) } }", "GRAPHQL_TOO_DEEP"),
            ("{ a(b: \"{{{{{\") # {{{{\n }", "ok"),
            (r#"{ a(b: """ {{{{ \""" {{{ """) }"#, "ok"),
            ("{{{{", "ok"),
            ("{{{{{", "GRAPHQL_TOO_DEEP"),
            ("{}[]()[]{}[]{}()", "ok"),
            ("{}[]()[]{}[]{}()[", "GRAPHQL_TOO_MANY_TOKENS"),
        ] {
            assert_eq!(outcome(text), expected, "{text}");
        }
    }

    /// The parser reads three quotes without an end as an empty string and the beginning of another: what follows would be hidden.
    #[test]
    fn a_string_without_an_end_is_refused() {
        let hidden = format!("{{ a(b: [\"\"\"x\" {}]) }}", "[]".repeat(50));
        assert!(parse_query(&hidden).is_ok(), "the reason for this test");
        assert_eq!(outcome(&hidden), "1:9");
        assert_eq!(outcome("{ a\n  b: \"x\n\" }"), "2:6");
        assert_eq!(outcome("\"\\\n\""), "1:1");
        assert_eq!(outcome("\n\"\\"), "2:1");
    }
}

//! The number of tokens and the depth of a document's text, before it is parsed.
//!
//! The parser recurses for every bracket and takes time for every token, so the text alone must
//! bound its stack and time. The scanner does not recurse: it is one pass over the bytes that stops
//! at the first limit. It follows the lexical grammar of the specification (section 2.1 and
//! appendix B.1).
//!
//! If the parser and the scanner disagreed on where a string starts, brackets could be hidden from
//! the scanner. They disagree on unterminated strings alone, so these are refused here.

use async_graphql::Pos;

use crate::api::graphql::document::refusal::Measure;
use crate::api::http::error::ApiError;
use crate::domain::document_limits::DocumentLimits;

#[derive(Debug)]
pub(crate) enum ScanError {
    TooLarge(ApiError),
    /// A string has no end. Gives the position of its start.
    UnterminatedString(Pos),
}

/// Counts the tokens of a text and checks the depth of its brackets.
///
/// # Errors
/// The first limit that the text exceeds, or an unterminated string.
pub(crate) fn count_tokens(text: &str, limits: &DocumentLimits) -> Result<usize, ScanError> {
    let (mut at, mut tokens, mut depth) = (0, 0, 0_usize);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let Some(length) = length(&bytes[at..]) else {
            return Err(ScanError::UnterminatedString(position(text, at)));
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
        Measure::Tokens.check(limits, tokens).map_err(ScanError::TooLarge)?;
        Measure::Depth.check(limits, depth).map_err(ScanError::TooLarge)?;
    }
    Ok(tokens)
}

/// Whether the byte starts something between tokens: white space, line ends, commas, comments and
/// the byte order mark (section 2.1.7). Outside strings and comments, the parser refuses all other
/// characters that are not ASCII, so they need not be counted.
fn is_ignored(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'#') || !byte.is_ascii()
}

/// The length of the token or ignored part at the start of `rest`; `None` for an unterminated
/// string.
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
        match count_tokens(text, &LIMITS) {
            Ok(_) => "ok".to_owned(),
            Err(ScanError::TooLarge(error)) => error.code().to_owned(),
            Err(ScanError::UnterminatedString(start)) => start.to_string(),
        }
    }

    #[test]
    fn tokens_are_counted_as_the_specification_defines_them() {
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
            let exactly = |tokens| count_tokens(text, &DocumentLimits { tokens, ..LIMITS }).is_ok();
            assert!(exactly(tokens), "{text}");
            assert!(tokens == 0 || !exactly(tokens - 1), "{text}");
        }
    }

    #[test]
    fn all_kinds_of_brackets_count_except_in_strings_and_comments() {
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

    /// The parser reads an unterminated block string as an empty string and the start of another
    /// string. The scanner would not see the brackets that follow.
    #[test]
    fn an_unterminated_string_is_refused() {
        let hidden = format!("{{ a(b: [\"\"\"x\" {}]) }}", "[]".repeat(50));
        assert!(parse_query(&hidden).is_ok(), "otherwise this test proves nothing");
        assert_eq!(outcome(&hidden), "1:9");
        assert_eq!(outcome("{ a\n  b: \"x\n\" }"), "2:6");
        assert_eq!(outcome("\"\\\n\""), "1:1");
        assert_eq!(outcome("\n\"\\"), "2:1");
    }
}

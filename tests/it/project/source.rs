//! Rust source as the project tests read it: without comments, literals and test-only items.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Source files by their path below one folder, for example `store/sql/mod.rs`.
pub struct SourceTree(pub BTreeMap<String, String>);

impl SourceTree {
    /// Reads the Rust files below a folder of the repository.
    pub fn read(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut files = BTreeMap::new();
        collect(&root, &root, &mut files);
        assert!(!files.is_empty(), "{folder} contains no Rust file");
        Self(files)
    }

    /// A tree for the tests of the tests.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let owned = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self(owned.collect())
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Region {
    Code,
    LineComment,
    /// The number of comments that are open: block comments nest.
    BlockComment(usize),
    String,
    /// The number of `#` that end the literal.
    RawString(usize),
    Char,
}

/// Blanks comments and literals, and removes every item under `#[cfg(test)]`. The code after such
/// an item stays.
pub fn production_code(text: &str) -> String {
    without_test_items(&without_comments_and_literals(text))
}

/// Replaces each character of a comment or a literal by a space, and keeps line ends.
pub fn without_comments_and_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut blanked = String::with_capacity(text.len());
    let (mut region, mut at) = (Region::Code, 0);
    while at < chars.len() {
        let (next, length) = step(region, &chars, at);
        let is_code = region == Region::Code && next == Region::Code;
        for &c in &chars[at..(at + length).min(chars.len())] {
            blanked.push(if is_code || c == '\n' { c } else { ' ' });
        }
        (region, at) = (next, at + length);
    }
    blanked
}

/// The region after the next characters, and how many characters those are.
fn step(region: Region, chars: &[char], at: usize) -> (Region, usize) {
    let starts_with = |text: &str| text.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    match region {
        Region::Code if starts_with("//") => (Region::LineComment, 2),
        Region::Code if starts_with("/*") => (Region::BlockComment(1), 2),
        Region::Code if starts_with("\"") => (Region::String, 1),
        Region::Code if chars[at] == '\'' && is_char_literal(&chars[at..]) => (Region::Char, 1),
        Region::Code => match raw_string(chars, at) {
            Some(hashes) => (Region::RawString(hashes), hashes + 2),
            None => (Region::Code, 1),
        },
        Region::LineComment if starts_with("\n") => (Region::Code, 1),
        Region::BlockComment(depth) if starts_with("/*") => (Region::BlockComment(depth + 1), 2),
        Region::BlockComment(1) if starts_with("*/") => (Region::Code, 2),
        Region::BlockComment(depth) if starts_with("*/") => (Region::BlockComment(depth - 1), 2),
        Region::String | Region::Char if starts_with("\\") => (region, 2),
        Region::String if starts_with("\"") => (Region::Code, 1),
        Region::Char if starts_with("'") => (Region::Code, 1),
        Region::RawString(hashes) if starts_with(&format!("\"{}", "#".repeat(hashes))) => (Region::Code, hashes + 1),
        Region::LineComment | Region::BlockComment(_) | Region::String | Region::RawString(_) | Region::Char => {
            (region, 1)
        }
    }
}

/// Tells `'a'` and `'\n'` from the lifetime `'a`.
fn is_char_literal(chars: &[char]) -> bool {
    chars.get(1) == Some(&'\\') || chars.get(2) == Some(&'\'')
}

/// The number of `#` of a raw string that starts here. `br` and `cr` start one at their `r`.
fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let is_prefix = |c: char| c == 'b' || c == 'c';
    let before: Vec<char> = chars[..at].iter().rev().take(2).copied().collect();
    let is_inside_a_word = match before[..] {
        [] => false,
        [last] => is_word(last) && !is_prefix(last),
        [last, previous, ..] => is_word(last) && (!is_prefix(last) || is_word(previous)),
    };
    if chars[at] != 'r' || is_inside_a_word {
        return None;
    }
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Expects code without comments and literals.
fn without_test_items(code: &str) -> String {
    const OUTER: &str = "#[cfg(test)]";
    if code.contains("#![cfg(test)]") {
        return String::new();
    }
    let (mut kept, mut rest) = (String::with_capacity(code.len()), code);
    while let Some(at) = rest.find(OUTER) {
        kept.push_str(&rest[..at]);
        rest = after_item(&rest[at + OUTER.len()..]);
    }
    kept + rest
}

/// The code after the item that starts here, which may have more attributes.
fn after_item(code: &str) -> &str {
    let mut code = code.trim_start();
    while code.starts_with("#[") {
        let end = code.find(']').map_or(code.len(), |end| end + 1);
        code = code[end..].trim_start();
    }
    let first_word = |code: &str| code.split(|c| !is_word(c)).next().unwrap_or_default().to_owned();
    let mut head = code;
    if first_word(head) == "pub" {
        head = head["pub".len()..].trim_start();
        if head.starts_with('(') {
            head = head[head.find(')').map_or(head.len(), |end| end + 1)..].trim_start();
        }
    }
    let is_import = first_word(head) == "use";
    // A field, a variant, an argument or a match arm ends at its comma.
    let is_item = matches!(
        first_word(head).as_str(),
        "async"
            | "const"
            | "enum"
            | "extern"
            | "fn"
            | "impl"
            | "macro_rules"
            | "mod"
            | "static"
            | "struct"
            | "trait"
            | "type"
            | "union"
            | "unsafe"
            | "use"
    );
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        let end = at + c.len_utf8();
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return &code[at..],
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 && c == '}' && !is_import {
                    return &code[end..];
                }
            }
            ';' if depth == 0 => return &code[end..],
            ',' if depth == 0 && !is_item => return &code[end..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let code = production_code(text);
        code.split(|c: char| !is_word(c))
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn code_after_a_test_module_is_read() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn hidden() { { } } }\nfn b() {}\n";
        assert_eq!(words(text), ["fn", "a", "fn", "b"]);
    }

    #[test]
    fn test_only_items_of_every_kind_are_left_out() {
        for item in [
            "mod tests;",
            "use crate::{a::b, c};",
            "pub(crate) use a::{b, c};",
            "pub(crate) fn two<A, B>(a: [u8; 2], b: B) -> [A; 2] where A: B { [1; 2] }",
            "#[allow(dead_code)] #[must_use] fn f() -> u8 { 1 }",
            "const N: [u8; 2] = [1, 2];",
            "static S: &str = \"}; fn no() {}\";",
            "struct Unit;",
            "struct Tuple(u8, u8);",
            "impl<A, B> Trait<A> for B { fn f() {} }",
        ] {
            let text = format!("mod first {{ fn a() {{}} #[cfg(test)] {item} }} fn last() {{}}");
            assert_eq!(words(&text), ["mod", "first", "fn", "a", "fn", "last"], "{item}");
        }
        let field = "struct S { a: u8, #[cfg(test)] hidden: Vec<u8>, b: u8, #[cfg(test)] gone: u8 }";
        assert_eq!(words(field), ["struct", "S", "a", "u8", "b", "u8"]);
        assert!(words("#![cfg(test)] fn a() {}").is_empty());
    }

    #[test]
    fn other_conditions_are_kept() {
        assert_eq!(words("#[cfg(not(test))] fn a() {}"), ["cfg", "not", "test", "fn", "a"]);
        assert_eq!(words("#[cfg(any(test, fuzzing))] fn a() {}").last().unwrap(), "a");
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        for hidden in [
            "// x::y \"\n",
            "/* x /* nested \" */ x */",
            "\"x \\\" // x\"",
            "r\"x \\\"",
            "r#\"x \" x\"#",
            "br##\"x \"# x\"##",
            "b'x'",
            "'\\''",
            "'\"'",
            "'{'",
            "b\"#[cfg(test)]\"",
        ] {
            let text = format!("fn a() {{ f({hidden}) }} fn b() {{}}");
            let found = words(&text);
            let expected = ["fn", "a", "f", "fn", "b"];
            assert!(
                found
                    .iter()
                    .filter(|word| !["b", "br"].contains(&word.as_str()))
                    .eq(expected.iter().take(4)),
                "{hidden}: {found:?}"
            );
            assert_eq!(found.last().unwrap(), "b", "{hidden}: {found:?}");
        }
    }

    #[test]
    fn lifetimes_and_words_that_end_in_r_are_no_literals() {
        assert_eq!(words("fn f<'a>(x: &'a str) -> &'static str { for_r(x) }").len(), 10);
        assert_eq!(production_code("bar\"x\" r2 r#type"), "bar    r2 r#type");
    }
}

//! The words of the code and of the documents: standard terms, in lines that are short enough to
//! read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::source::without_comments_and_literals;

/// Identifiers that the code must not use, and what to use instead.
const NAMES: [(&str, &str); 48] = [
    ("Bench", "StoreFixture"),
    ("Ending", "EndSession"),
    ("HotSessions", "RedisSessions"),
    ("House", "Acceptor"),
    ("KeyLead", "KeyPublicationLead"),
    ("Line", "RedisConnection or RawConnection"),
    ("LogScope", "LazySpan"),
    ("Marks", "Tombstones"),
    ("Memory", "BoundedCache"),
    ("Outdated", "Conflict"),
    ("Over", "Expired"),
    ("Owner", "AccountNames"),
    ("Parts", "Dependencies"),
    ("PasswordStep", "CredentialsUpdate"),
    ("Place", "Permit"),
    ("Placed", "SpanFormatter"),
    ("Places", "ConnectionLimit"),
    ("ProfileSeal", "ProfileAuthenticator"),
    ("Pseudonyms", "KeyedHash"),
    ("Seal", "MessageAuthenticator"),
    ("Site", "RequestHandler"),
    ("Spread", "RoundRobin"),
    ("Standing", "TokenStatus"),
    ("Weighed", "CacheWeight"),
    ("Width", "BatchOptions"),
    ("Wire", "TcpProxy"),
    ("World", "TestApp"),
    ("carry_on", "in_current_span"),
    ("follow", "apply_external_changes"),
    ("follow_changes", "apply_external_changes"),
    ("guarded", "catch_panic"),
    ("hand_out", "deliver"),
    ("judged", "clear_if_rejected"),
    ("keep_house", "run_maintenance"),
    ("keep_thread", "maintain_thread"),
    ("marks", "tombstones"),
    ("pay", "flush_pending"),
    ("pay_for", "flush_pending_for"),
    ("pseudonym", "subject_hash"),
    ("pseudonyms", "keyed_hash"),
    ("settle", "flush_pending"),
    ("spread", "round_robin"),
    ("standing", "token_status"),
    ("take_over", "replay_recent_tombstones"),
    ("take_place", "acquire"),
    ("wire", "proxy"),
    ("wired", "with_proxies"),
    ("world", "app"),
];

/// Words that no text uses, alone or as a part of an identifier, and what to write instead.
const WORDS: [(&str, &str); 37] = [
    ("asker", "client, RequestContext"),
    ("askers", "clients"),
    ("door", "API, ApiOptions"),
    ("doors", "APIs"),
    ("everybody", "the noun: every client, every user"),
    ("housekeeper", "maintenance"),
    ("housekeeping", "maintenance"),
    ("impatient", "with a timeout"),
    ("jar", "PendingCookie"),
    ("keeper", "KeyRotation"),
    ("lane", "worker"),
    ("lanes", "concurrency, workers"),
    ("news", "change log"),
    ("nobody", "the noun: no client, no thread"),
    ("owe", "has pending"),
    ("owed", "pending"),
    ("owes", "has pending"),
    ("patience", "timeout, Timeouts"),
    ("patient", "with a timeout"),
    ("patiently", "with a timeout"),
    ("pulse", "ConnectionActivity"),
    ("rim", "middleware, Middleware"),
    ("seat", "connection, ConnectionGuard, Permit"),
    ("seats", "connections, permits"),
    ("somebody", "the noun: a client, a user"),
    ("tally", "report, AttackReport"),
    ("thief", "attacker, TokenForger"),
    ("thieves", "attackers"),
    ("turnstile", "throttle, Throttle"),
    ("unstoppable", "detached, spawn_detached"),
    ("verdict", "result, PasswordVerification"),
    ("verdicts", "results"),
    ("visitor", "client, user, ClientInfo"),
    ("visitors", "clients, users"),
    ("whoever", "the noun: the client that"),
    ("witness", "WAL index, proof"),
    ("witnesses", "proofs"),
];

/// Where a word is the standard term, or a name that others chose: the start of the path, and the
/// word.
const EXCEPTIONS: [(&str, &str, &str); 24] = [
    ("bench", "jar", "the standard term for a store of cookies"),
    ("bench/src", "lanes", "Argon2's term (RFC 9106)"),
    ("bench/src", "memory", "quick-argon2's type"),
    ("benches", "memory", "quick-argon2's type"),
    ("docs", "jar", "the standard term for a store of cookies"),
    ("docs", "lane", "Argon2's term (RFC 9106)"),
    ("docs", "lanes", "Argon2's term (RFC 9106)"),
    ("docs/performance.md", "verdict", "the name of a column"),
    ("docs/security.md", "verdict", "the name of a column"),
    ("fuzz/fuzz_targets", "lanes", "Argon2's term (RFC 9106)"),
    ("quick-argon2", "lane", "Argon2's term (RFC 9106)"),
    ("quick-argon2", "lanes", "Argon2's term (RFC 9106)"),
    ("quick-argon2", "memory", "Argon2's term (RFC 9106)"),
    ("scripts/servers.sh", "nobody", "the name of a system account"),
    ("src/api/graphql", "spread", "GraphQL's term for the use of a fragment"),
    ("src/api/graphql/document/parameters.rs", "visitor", "serde's trait"),
    ("src/api/http", "parts", "axum's type"),
    ("src/security/access_token/compact_form.rs", "visitor", "serde's trait"),
    ("src/config", "lanes", "Argon2's term (RFC 9106)"),
    ("src/security/password", "lane", "Argon2's term (RFC 9106)"),
    ("src/security/password", "lanes", "Argon2's term (RFC 9106)"),
    ("src/security/password", "memory", "quick-argon2's type"),
    (
        "tests/it/project/security_document.rs",
        "verdict",
        "the name of a column",
    ),
    (
        "tests/it/project/security_document.rs",
        "verdicts",
        "the name of a column",
    ),
];

const FOLDERS: [&str; 9] = [
    "src",
    "migration",
    "quick-argon2",
    "tests",
    "bench",
    "benches",
    "fuzz",
    "scripts",
    "docs",
];
/// Build results, installed modules and inputs of the fuzzer.
const SKIPPED_FOLDERS: [&str; 4] = ["node_modules", "target", "corpus", "artifacts"];
const EXTENSIONS: [&str; 10] = ["rs", "md", "lua", "mjs", "js", "sh", "py", "sql", "toml", "yml"];
/// Files that list the words.
const LISTS: [&str; 2] = ["CONTRIBUTING.md", "tests/it/project/words.rs"];
const LONGEST_LINE: usize = 100;

/// One line that breaks a rule.
#[derive(Debug, PartialEq)]
struct Finding {
    path: String,
    line: usize,
    problem: String,
}

#[test]
fn code_and_documents_use_the_standard_terms() {
    report(
        &all_files()
            .iter()
            .flat_map(|(path, text)| words(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn comments_and_documents_have_short_lines() {
    report(
        &all_files()
            .iter()
            .flat_map(|(path, text)| long_lines(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_lists_are_sorted_and_every_exception_is_listed() {
    assert!(NAMES.is_sorted() && WORDS.is_sorted());
    for (start, word, reason) in EXCEPTIONS {
        assert_eq!(word, word.to_lowercase());
        let listed = NAMES.iter().chain(&WORDS).any(|(name, _)| name.to_lowercase() == word);
        assert!(listed, "{start}: {word} ({reason}) is in no list");
    }
}

#[test]
fn words_are_found_in_identifiers_comments_and_strings() {
    let found = |path: &str, text: &str| words(path, text).len();
    for text in [
        "struct Asker;",
        "fn f(d: &Doors) {}",
        "fn both_doors_are_open() {}",
        "/// Whoever asks.",
        "let a = \"nobody is there\";",
        "const ANSWER_PATIENCE: u8 = 1;",
        "struct DoorHandle;",
        "// Before [`Marks`] and `hand_out`.",
    ] {
        assert!(found("src/a.rs", text) > 0, "{text}");
    }
    for text in [
        "let site = \"Sec-Fetch-Site: same-site\";",
        "// Over the network. Full text. A line. `Sec-Fetch-Site`.",
        "let outdoors = indoor;",
        "let text = \"Over\";",
    ] {
        assert_eq!(found("src/a.rs", text), 0, "{text}");
    }
    assert!(found("docs/a.md", "The `Asker` and the doors.") == 2);
    assert_eq!(found("docs/security.md", "| # | Verdict |"), 0);
    assert_eq!(found("docs/limits.md", "| # | Verdict |"), 1);
}

#[test]
fn long_lines_are_found() {
    let long = "word ".repeat(25);
    for (path, text) in [
        ("src/a.rs", format!("    /// {long}")),
        ("docs/a.md", format!("- {long}")),
    ] {
        assert_eq!(long_lines(path, &text).len(), 1, "{text}");
    }
    for (path, text) in [
        ("src/a.rs", format!("let a = \"{long}\";")),
        ("src/a.rs", format!("// https://example.com/{long}")),
        ("docs/a.md", format!("| {long} |")),
        ("docs/a.md", format!("See [this]({long}).")),
        ("docs/a.md", format!("```\n{long}\n```")),
    ] {
        assert!(long_lines(path, &text).is_empty(), "{text}");
    }
}

/// Fails with each line, and with how many there are in each folder.
fn report(findings: &[Finding]) {
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    for finding in findings {
        let depth = if finding.path.starts_with("src/") || finding.path.starts_with("tests/") {
            2
        } else {
            1
        };
        let segments: Vec<&str> = finding.path.split('/').take(depth).collect();
        *folders.entry(segments.join("/")).or_default() += 1;
    }
    let lines = findings
        .iter()
        .map(|finding| format!("{}:{}: {}", finding.path, finding.line, finding.problem));
    let lines: Vec<String> = lines.collect();
    assert!(lines.is_empty(), "{}\n{folders:#?}", lines.join("\n"));
}

fn words(path: &str, text: &str) -> Vec<Finding> {
    if LISTS.contains(&path) {
        return Vec::new();
    }
    let blanked = if is_rust(path) {
        without_comments_and_literals(text)
    } else {
        String::new()
    };
    let mut code_lines = blanked.lines();
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = code_lines.next().unwrap_or_default();
        // `Sec-Fetch-Site` is one name.
        let quoted = in_backticks(line).replace('-', "_");
        let names_in = if is_rust(path) || is_markdown(path) {
            [code, &quoted].join(" ")
        } else {
            line.to_owned()
        };
        let wrong_names =
            identifiers(&names_in).flat_map(|found| NAMES.iter().filter(move |(wrong, _)| *wrong == found));
        let parts = identifiers(line).flat_map(parts);
        let wrong_words = parts.flat_map(|part| WORDS.iter().filter(move |(wrong, _)| *wrong == part));
        for (wrong, right) in wrong_names.chain(wrong_words) {
            if !is_excepted(path, wrong) {
                findings.push(Finding {
                    path: path.to_owned(),
                    line: index + 1,
                    problem: format!("\"{wrong}\": use {right}"),
                });
            }
        }
    }
    findings
}

fn is_excepted(path: &str, word: &str) -> bool {
    EXCEPTIONS
        .iter()
        .any(|(start, excepted, _)| path.starts_with(start) && word.to_lowercase() == *excepted)
}

fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty())
}

/// The lower-case parts of `snake_case` and `CamelCase`.
fn parts(identifier: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut previous = '_';
    for c in identifier.chars() {
        if c == '_' || (c.is_uppercase() && previous.is_lowercase()) {
            parts.push(String::new());
        }
        if c != '_' {
            let last = parts.len() - 1;
            parts[last].extend(c.to_lowercase());
        }
        previous = c;
    }
    parts
}

fn in_backticks(line: &str) -> String {
    line.split('`').skip(1).step_by(2).collect::<Vec<_>>().join(" ")
}

fn long_lines(path: &str, text: &str) -> Vec<Finding> {
    let (mut is_code_block, mut is_generated) = (false, false);
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        is_code_block ^= is_markdown(path) && trimmed.starts_with("```");
        // Between two markers is what `scripts/bench --write` has measured.
        is_generated ^= trimmed.starts_with("<!-- Written by scripts/bench");
        let is_checked = match path {
            _ if is_rust(path) => trimmed.starts_with("//"),
            _ => {
                is_markdown(path)
                    && !is_code_block
                    && !is_generated
                    && !trimmed.starts_with('|')
                    && !line.contains("](")
            }
        };
        let length = line.chars().count();
        if is_checked && length > LONGEST_LINE && !line.contains("://") {
            findings.push(Finding {
                path: path.to_owned(),
                line: index + 1,
                problem: format!("{length} characters: break it at {LONGEST_LINE}"),
            });
        }
    }
    findings
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

fn is_markdown(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "md")
}

/// The checked files, by their path from the repository's root.
fn all_files() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::new();
    for folder in FOLDERS {
        collect(root, &root.join(folder), &mut files);
    }
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            read(root, &path, &mut files);
        }
    }
    assert!(files.contains_key("README.md") && files.contains_key("src/lib.rs"));
    files
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !SKIPPED_FOLDERS.contains(&name) {
            collect(root, &path, files);
        } else if path.is_file() {
            read(root, &path, files);
        }
    }
}

/// Reads the kinds of files that people write; a file without an extension may be a script.
fn read(root: &Path, path: &Path, files: &mut BTreeMap<String, String>) {
    let is_text = match path.extension() {
        Some(extension) => EXTENSIONS.iter().any(|known| extension == *known),
        None => path.starts_with(root.join("scripts")) || path.starts_with(root.join("bench")),
    };
    if !is_text {
        return;
    }
    if let Ok(text) = fs::read_to_string(path) {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        files.insert(name.to_owned(), text);
    }
}

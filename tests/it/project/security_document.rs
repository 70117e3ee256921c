//! `docs/security.md` names existing tests and files, and its counts are correct.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const DOCUMENT: &str = include_str!("../../../docs/security.md");
const VERDICTS: [&str; 5] = ["met", "partly", "not met", "operator", "n/a"];

/// A table of the document, and the heading above it.
struct Table {
    heading: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<&'static str>>,
}

impl Table {
    /// The cells of a column, or none if the table does not have it.
    fn column(&self, name: &str) -> Vec<&'static str> {
        let index = self.columns.iter().position(|column| *column == name);
        let cells = self.rows.iter().filter_map(|row| row.get(index?).copied());
        cells.collect()
    }
}

fn tables() -> Vec<Table> {
    let (mut tables, mut heading, mut is_inside) = (Vec::<Table>::new(), "", false);
    for line in DOCUMENT.lines() {
        if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim();
        }
        let was_inside = std::mem::replace(&mut is_inside, line.starts_with('|'));
        if !is_inside || line.starts_with("|---") {
            continue;
        }
        match tables.last_mut().filter(|_| was_inside) {
            Some(table) => table.rows.push(cells(line)),
            None => tables.push(Table {
                heading,
                columns: cells(line),
                rows: Vec::new(),
            }),
        }
    }
    tables
}

fn cells(line: &'static str) -> Vec<&'static str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// The texts between backticks.
fn code(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split('`').skip(1).step_by(2)
}

fn is_test(name: &str) -> bool {
    name.contains("::")
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(path).unwrap_or_default()
}

/// Looks for `session::refresh::name` in `tests/it/session/refresh.rs`, and for
/// `domain::email::tests::name` in `src/domain/email.rs`.
fn exists(test: &str) -> bool {
    let (module, name) = test.rsplit_once("::").unwrap();
    let file = match module.strip_suffix("::tests") {
        Some(module) => format!("src/{}.rs", module.replace("::", "/")),
        None => format!("tests/it/{}.rs", module.replace("::", "/")),
    };
    let source = read(&file);
    let is_tested = source.contains("#[test]") || source.contains("#[tokio::test") || source.contains("scenario! {");
    is_tested && source.contains(&format!("fn {name}("))
}

#[test]
fn every_named_test_exists() {
    let named: Vec<&str> = code(DOCUMENT).filter(|text| is_test(text)).collect();
    let missing: Vec<&str> = named.iter().copied().filter(|test| !exists(test)).collect();
    assert!(
        missing.is_empty(),
        "docs/security.md names tests that do not exist: {missing:#?}"
    );
    assert!(named.len() > 100, "only {} tests are named", named.len());
    assert!(
        !exists("limits::no_such_test") && !exists("no_such_file::name"),
        "the check finds tests that do not exist"
    );
}

#[test]
fn every_named_source_file_exists() {
    let is_source = |text: &&str| Path::new(text).extension().is_some_and(|extension| extension == "rs");
    for file in code(DOCUMENT).filter(is_source) {
        let found = [format!("src/{file}"), file.to_owned()]
            .iter()
            .any(|path| !read(path).is_empty());
        assert!(found, "docs/security.md names {file}, which does not exist");
    }
}

#[test]
fn every_row_is_complete() {
    for Table { heading, columns, rows } in tables() {
        assert!(!rows.is_empty(), "the table under \"{heading}\" is empty");
        for row in rows {
            assert_eq!(row.len(), columns.len(), "under \"{heading}\": {row:?}");
            assert!(row.iter().all(|cell| !cell.is_empty()), "under \"{heading}\": {row:?}");
        }
    }
}

#[test]
fn every_met_requirement_names_its_proof() {
    for table in tables() {
        for (verdict, proof) in table.column("Verdict").into_iter().zip(table.column("Proof")) {
            assert!(VERDICTS.contains(&verdict), "under \"{}\": {verdict}", table.heading);
            let is_proof = matches!(proof, "document" | "review") || code(proof).any(is_test);
            assert!(is_proof || verdict != "met", "under \"{}\": {proof}", table.heading);
        }
    }
}

#[test]
fn each_requirement_is_in_one_row() {
    for table in tables() {
        let mut numbers = table.column("#");
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "a repeated number under \"{}\"", table.heading);
    }
}

#[test]
fn the_summary_counts_are_correct() {
    let tables = tables();
    let counted: BTreeMap<&str, Vec<String>> = tables
        .iter()
        .filter(|table| table.columns.first() == Some(&"#"))
        .map(|table| (table.heading, counts(&table.column("Verdict"))))
        .collect();
    let summary = tables.iter().find(|table| table.columns.first() == Some(&"Chapter"));
    let summary = summary.unwrap().rows.iter();
    let summarized: BTreeMap<&str, Vec<String>> = summary
        .map(|row| (row[0], row[1..].iter().map(|cell| (*cell).to_owned()).collect()))
        .collect();
    assert_eq!(summarized, counted);
}

/// The number of rows with each verdict.
fn counts(given: &[&str]) -> Vec<String> {
    let count = |verdict: &str| given.iter().filter(|other| **other == verdict).count();
    VERDICTS.iter().map(|verdict| count(verdict).to_string()).collect()
}

//! The targets of the fuzzers in `fuzz/`: each is a function that panics when a guarantee is
//! broken. They are not part of the library, and only compiled for tests and cargo-fuzz.
//!
//! The tests below replay the corpora in `fuzz/corpus`, so that inputs which a fuzzer found are
//! tested on every machine.

pub use crate::api::fuzzing::{forwarded, graphql_document, request_body};
pub use crate::security::fuzzing::{access_token, refresh_token};
pub use crate::security::password::fuzzing::argon2;

/// A function that accepts any bytes.
pub type Target = fn(&[u8]);

/// All targets by name. Each has a file in `fuzz/fuzz_targets` and a folder in `fuzz/corpus`.
pub const TARGETS: [(&str, Target); 6] = [
    ("access_token", access_token),
    ("argon2", argon2),
    ("forwarded", forwarded),
    ("graphql_document", graphql_document),
    ("refresh_token", refresh_token),
    ("request_body", request_body),
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::TARGETS;

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn every_target_has_a_program_and_a_corpus() {
        let targets: Vec<&str> = TARGETS.map(|(name, _)| name).into();
        assert_eq!(names(&folder("fuzz_targets")), targets);
        assert_eq!(names(&folder("corpus")), targets);
    }

    #[test]
    #[allow(clippy::print_stdout, reason = "read by scripts/attack")]
    fn the_inputs_that_fuzzers_found_break_no_guarantee() {
        for (name, target) in TARGETS {
            let folder = folder("corpus").join(name);
            let files: Vec<PathBuf> = fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            assert!(!files.is_empty(), "{}", folder.display());
            for file in &files {
                target(&fs::read(file).unwrap());
            }
            println!(
                "attack: suite=corpus-{name} tried={} 5xx=0 accepted=0 leaks=0",
                files.len()
            );
        }
    }
}

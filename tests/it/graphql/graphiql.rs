//! GraphiQL in Chromium.

use crate::harness::{Process, node};

/// Registers, signs in and reads `me` on the page. No request leaves the origin, and the console
/// stays empty. The same program takes the picture of the documentation.
#[test]
fn graphiql_registers_signs_in_and_reads_me_without_other_origins() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Process::start(folder.path(), &[]);
    let picture = concat!(env!("CARGO_TARGET_TMPDIR"), "/graphiql.png");
    let run = node(&["graphiql.mjs", &gateway.url, picture]);
    assert!(
        run.status.success(),
        "{}{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
    assert!(std::fs::metadata(picture).unwrap().len() > 10_000);
}

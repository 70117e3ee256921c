//! GraphiQL in a real browser without a network.

use crate::harness::{Process, node};

/// A first visitor registers, signs in and reads `me` on the screen; no request leaves the origin, the console stays empty. The picture
/// stays beside the other build results, and the one in the documentation is made by the same program.
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

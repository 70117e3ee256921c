//! How many files and sockets this process may have open.

/// Asks for as many as the system lets it ask for. The limit that a process begins with is often 1024, for the sake of programs that use
/// `select(2)`: ours then could not take `MAX_CONNECTIONS`.
#[cfg(target_os = "linux")]
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// Does nothing: other systems count files in ways of their own.
#[cfg(not(target_os = "linux"))]
pub fn raise_descriptor_limit() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::raise_descriptor_limit;

    #[test]
    fn the_limit_is_raised_to_what_is_allowed() {
        let before = getrlimit(Resource::Nofile);
        let lower = before.maximum.map(|most| most - 1);
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: lower,
                ..before
            },
        )
        .unwrap();
        raise_descriptor_limit();
        let after = getrlimit(Resource::Nofile);
        assert_eq!((after.current, after.maximum), (before.maximum, before.maximum));
    }
}

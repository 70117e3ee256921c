//! How much the system prefers other threads to the calling one.

/// Lowers the priority of the calling thread: on Linux alone, where threads have one of their own. Lowering it needs no permission, but a
/// sandbox may forbid to ask; then the thread goes on as it is.
#[cfg(target_os = "linux")]
pub(super) fn give_way(nice: i32) {
    use std::sync::Once;

    use rustix::process::setpriority_process;
    use rustix::thread::gettid;

    static SAID: Once = Once::new();
    if let Err(error) = setpriority_process(Some(gettid()), nice) {
        SAID.call_once(|| tracing::debug!(%error, nice, "hashing threads keep the normal priority"));
    }
}

/// Lowers the priority of the calling thread, on Linux.
#[cfg(not(target_os = "linux"))]
pub(super) fn give_way(_nice: i32) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;
    use rustix::thread::gettid;

    use super::give_way;

    #[test]
    fn one_thread_gives_way_and_the_others_do_not() {
        let here = getpriority_process(Some(gettid())).unwrap();
        let there = std::thread::spawn(move || {
            give_way(here + 1);
            getpriority_process(Some(gettid())).unwrap()
        });
        assert_eq!(there.join().unwrap(), here + 1);
        assert_eq!(getpriority_process(Some(gettid())).unwrap(), here);
    }
}

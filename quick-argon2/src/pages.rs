//! Memory in large pages, where the system leaves them to programs (`madvise` in Linux's
//! `/sys/kernel/mm/transparent_hugepage/enabled`, which is usual).
//!
//! A hash jumps about in its memory. With pages of 4 KiB nearly every jump has the processor look up the page too, and whatever else runs on
//! the machine pushes what it found out of its caches.

/// Room for so many items. None of it is taken from the system before it is written to.
#[cfg(target_os = "linux")]
pub(crate) fn room<T>(count: usize) -> Vec<T> {
    use rustix::mm::{Advice, madvise};

    let mut room: Vec<T> = Vec::with_capacity(count);
    // Whole pages of it: what lies beside it is not ours to speak for.
    let page = rustix::param::page_size();
    let start = room.as_mut_ptr();
    let before = start.addr().next_multiple_of(page) - start.addr();
    let length = (count * size_of::<T>()).saturating_sub(before) / page * page;
    if length > 0 {
        let pages = start.wrapping_byte_add(before).cast();
        // SAFETY: the pages lie within what `room` owns, and this advice changes nothing of what is in them.
        #[expect(unsafe_code, reason = "other advice would throw memory away")]
        // A system that knows no large pages refuses, and the memory is as it was.
        let _best_effort = unsafe { madvise(pages, length, Advice::LinuxHugepage) };
    }
    room
}

/// Room for so many items.
#[cfg(not(target_os = "linux"))]
pub(crate) fn room<T>(count: usize) -> Vec<T> {
    Vec::with_capacity(count)
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test may fail so")]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::room;

    /// Whether large pages are asked for at this address, by the flags of its mapping (`proc_pid_smaps(5)`).
    fn is_advised(address: usize) -> bool {
        let mappings = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut is_here = false;
        for line in mappings.lines() {
            let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
            if let Some((start, end)) = range
                && let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16))
            {
                is_here = (start..end).contains(&address);
            } else if is_here && let Some(flags) = line.strip_prefix("VmFlags:") {
                return flags.split_whitespace().any(|flag| flag == "hg");
            }
        }
        false
    }

    #[test]
    fn large_pages_are_asked_for_where_there_are_any() {
        let large: Vec<u8> = room(16 << 20);
        let are_known = Path::new("/sys/kernel/mm/transparent_hugepage").exists();
        assert_eq!(is_advised(large.as_ptr().addr() + large.capacity() / 2), are_known);
    }

    #[test]
    fn little_room_has_no_page_of_its_own() {
        for count in [0, 1, 100] {
            assert!(room::<u64>(count).capacity() >= count);
        }
    }
}

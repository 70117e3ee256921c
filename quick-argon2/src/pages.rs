//! Memory in huge pages, where Linux offers them to programs that ask: `madvise` or `always` in
//! `/sys/kernel/mm/transparent_hugepage/enabled`.
//!
//! A hash reads its blocks in random order. With pages of 4 KiB nearly every read misses the
//! processor's cache of page addresses (TLB), which other work on the machine also fills.

use argon2::{Error, Result};
use zeroize::Zeroize;

/// Makes `blocks` at least `count` blocks long, with copies of `zero`. On an error they are as
/// before.
pub(crate) fn grow<T: Clone + Zeroize>(blocks: &mut Vec<T>, count: usize, zero: T) -> Result<()> {
    if blocks.capacity() < count {
        let larger = reserve(count)?;
        // `Vec` would free the old memory with the blocks of the last hash still in it.
        blocks.iter_mut().for_each(Zeroize::zeroize);
        *blocks = larger;
    }
    if blocks.len() < count {
        blocks.resize(count, zero);
    }
    Ok(())
}

/// An empty vector with room for `count` items. The system provides each page at its first write.
pub(crate) fn reserve<T>(count: usize) -> Result<Vec<T>> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(count).map_err(|_| Error::OutOfMemory)?;
    #[cfg(target_os = "linux")]
    advise_huge_pages(&mut memory);
    Ok(memory)
}

#[cfg(target_os = "linux")]
fn advise_huge_pages<T>(memory: &mut Vec<T>) {
    use rustix::mm::{Advice, madvise};

    // Whole pages alone: the rest of the first and of the last page belongs to other allocations.
    let page = rustix::param::page_size();
    let start = memory.as_mut_ptr();
    let skipped = start.addr().next_multiple_of(page) - start.addr();
    let length = (memory.capacity() * size_of::<T>()).saturating_sub(skipped) / page * page;
    if length == 0 {
        return;
    }
    let pages = start.wrapping_byte_add(skipped).cast();
    // A kernel without huge pages answers with an error; the memory is usable all the same.
    #[expect(unsafe_code, reason = "`madvise` is unsafe: other advice discards content")]
    // SAFETY: the range lies within the allocation of `memory`, which is borrowed mutably. This
    // advice changes neither the content nor the validity of the pages.
    let _best_effort = unsafe { madvise(pages, length, Advice::LinuxHugepage) };
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Whether huge pages are advised at this address: flag `hg` in `proc_pid_smaps(5)`.
    #[cfg(target_os = "linux")]
    fn is_advised(address: usize) -> bool {
        let mappings = std::fs::read_to_string("/proc/self/smaps").unwrap();
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
    #[cfg(target_os = "linux")]
    fn huge_pages_are_advised_where_the_kernel_has_them() {
        let large: Vec<u8> = reserve(16 << 20).unwrap();
        let are_supported = std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists();
        assert_eq!(is_advised(large.as_ptr().addr() + large.capacity() / 2), are_supported);
    }

    #[test]
    fn less_than_a_page_can_be_reserved() {
        for count in [0, 1, 100] {
            assert!(reserve::<u64>(count).unwrap().capacity() >= count);
        }
    }

    #[test]
    fn more_than_the_address_space_is_an_error_and_keeps_the_blocks() {
        let mut blocks = vec![7_u64; 3];
        assert_eq!(grow(&mut blocks, usize::MAX, 0), Err(Error::OutOfMemory));
        assert_eq!(blocks, [7; 3]);
    }
}

//! Fills the memory: the first and last blocks (RFC 9106 section 3.2), and the choice of reference
//! blocks (section 3.4).

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use argon2::{Algorithm, Result, Version};
use zeroize::Zeroizing;

use crate::block::{BYTES, Block, Step, WORDS, Write};
use crate::params::HashParams;
use crate::{digest, pages};

/// Slices of a pass. Within a slice, no lane refers to the current segment of another lane.
const SLICES: usize = 4;
const CACHE_LINE_BYTES: usize = 64;

/// How the memory is divided.
struct Layout {
    lanes: usize,
    /// Blocks in a lane.
    lane_blocks: usize,
    /// Blocks in a segment, the intersection of a slice and a lane.
    segment_blocks: usize,
}

/// One segment in one pass.
struct Segment<'a> {
    layout: &'a Layout,
    params: &'a HashParams<'a>,
    pass: usize,
    slice: usize,
    lane: usize,
}

/// Fills the memory and returns the block that the hash is computed from. Lanes are filled one
/// after another, on the calling thread.
#[target_feature(enable = "avx2")]
pub(crate) fn fill(
    blocks: &mut Vec<Block>,
    params: &HashParams,
    initial_hash: &[u8],
) -> Result<Zeroizing<[u8; BYTES]>> {
    let count = params.costs.block_count();
    pages::grow(blocks, count, Block::zero())?;
    let blocks = &mut blocks[..count];
    let lanes = params.costs.p_cost() as usize;
    let layout = Layout {
        lanes,
        lane_blocks: count / lanes,
        segment_blocks: count / lanes / SLICES,
    };
    write_first_blocks(blocks, &layout, initial_hash);
    for pass in 0..params.costs.t_cost() as usize {
        for slice in 0..SLICES {
            for lane in 0..lanes {
                let segment = Segment {
                    layout: &layout,
                    params,
                    pass,
                    slice,
                    lane,
                };
                segment.fill(blocks);
            }
        }
    }
    Ok(xor_last_blocks(blocks, &layout))
}

/// Derives the first two blocks of each lane from H0.
#[target_feature(enable = "avx2")]
fn write_first_blocks(blocks: &mut [Block], layout: &Layout, initial_hash: &[u8]) {
    for (lane, blocks) in (0_u32..).zip(blocks.chunks_exact_mut(layout.lane_blocks)) {
        for (number, block) in (0_u32..).zip(blocks.iter_mut().take(2)) {
            let mut bytes = Zeroizing::new([0; BYTES]);
            digest::variable_length_hash(&[initial_hash, &number.to_le_bytes(), &lane.to_le_bytes()], &mut *bytes);
            let mut words = Zeroizing::new([0; WORDS]);
            for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            *block = Block::from_words(&words);
        }
    }
}

/// XORs the last blocks of all lanes.
#[target_feature(enable = "avx2")]
fn xor_last_blocks(blocks: &[Block], layout: &Layout) -> Zeroizing<[u8; BYTES]> {
    let mut sum = Block::zero();
    for lane in blocks.chunks_exact(layout.lane_blocks) {
        sum.xor(&lane[layout.lane_blocks - 1]);
    }
    let words = Zeroizing::new(sum.words());
    let mut bytes = Zeroizing::new([0; BYTES]);
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(&*words) {
        *bytes = word.to_le_bytes();
    }
    bytes
}

impl Segment<'_> {
    #[target_feature(enable = "avx2")]
    fn fill(&self, blocks: &mut [Block]) {
        let first = if self.pass == 0 && self.slice == 0 { 2 } else { 0 };
        let mut state = blocks[self.previous_block(first)];
        if self.is_data_independent() {
            self.fill_data_independent(blocks, &mut state, first);
        } else {
            self.fill_data_dependent(blocks, &mut state, first);
        }
    }

    /// The reference blocks follow from the position alone, so the next one is prefetched a whole
    /// step ahead.
    #[target_feature(enable = "avx2")]
    fn fill_data_independent(&self, blocks: &mut [Block], state: &mut Block, first: usize) {
        let mut addresses = Addresses::new(self);
        let mut reference = self.reference(first, addresses.word(first));
        for index in first..self.layout.segment_blocks {
            let step = self.step(index, reference);
            reference = self.reference(index + 1, addresses.word(index + 1));
            prefetch(&blocks[reference]);
            state.compress(blocks, step, |_, _| ());
        }
    }

    /// The first word of the new block selects the next reference block, which is prefetched as
    /// soon as that word is known.
    #[target_feature(enable = "avx2")]
    fn fill_data_dependent(&self, blocks: &mut [Block], state: &mut Block, first: usize) {
        let mut reference = self.reference(first, state.first_word());
        for index in first..self.layout.segment_blocks {
            let step = self.step(index, reference);
            state.compress(blocks, step, |blocks, word| {
                reference = self.reference(index + 1, word);
                prefetch(&blocks[reference]);
            });
        }
    }

    fn is_data_independent(&self) -> bool {
        match self.params.algorithm {
            Algorithm::Argon2i => true,
            Algorithm::Argon2d => false,
            Algorithm::Argon2id => self.pass == 0 && self.slice < SLICES / 2,
        }
    }

    fn step(&self, index: usize, reference: usize) -> Step {
        let replaces = self.pass == 0 || self.params.version == Version::V0x10;
        Step {
            reference,
            new: self.block(index),
            write: if replaces { Write::Replace } else { Write::Xor },
        }
    }

    /// The index in the memory of a block of this segment.
    fn block(&self, index: usize) -> usize {
        self.lane * self.layout.lane_blocks + self.slice * self.layout.segment_blocks + index
    }

    /// The index in the memory of the block before. The last block of a lane precedes its first.
    fn previous_block(&self, index: usize) -> usize {
        match self.slice * self.layout.segment_blocks + index {
            0 => self.block(self.layout.lane_blocks - 1),
            _ => self.block(index) - 1,
        }
    }

    /// The index in the memory of the reference block that `word` (J1 || J2) selects for block
    /// `index` of this segment (RFC 9106 section 3.4.2).
    ///
    /// For the index after the last one it is within the memory too: it is prefetched and not used.
    #[inline]
    fn reference(&self, index: usize, word: u64) -> usize {
        let layout = self.layout;
        let lane = match (self.pass, self.slice) {
            (0, 0) => self.lane,
            // Saves the common case a division, which would delay the prefetch.
            _ if layout.lanes == 1 => 0,
            _ => (word >> 32) as usize % layout.lanes,
        };
        let (start, finished) = match self.pass {
            0 => (0, self.slice * layout.segment_blocks),
            _ => (
                (self.slice + 1) * layout.segment_blocks,
                layout.lane_blocks - layout.segment_blocks,
            ),
        };
        // In its own lane a block may also refer to this segment. The previous block is excluded:
        // it is the other input of the step.
        let candidates = if lane == self.lane {
            finished + index - 1
        } else {
            finished - usize::from(index == 0)
        };
        let square = ((word & 0xffff_ffff) * (word & 0xffff_ffff)) >> 32;
        let back = ((candidates as u64 * square) >> 32) as usize;
        let offset = start + candidates - 1 - back;
        lane * layout.lane_blocks
            + if offset < layout.lane_blocks {
                offset
            } else {
                offset - layout.lane_blocks
            }
    }
}

/// The pseudo-random words of data-independent addressing (RFC 9106 section 3.4.1.2): G applied
/// twice to the position and a counter.
struct Addresses {
    input: [u64; WORDS],
    words: [u64; WORDS],
}

impl Addresses {
    #[target_feature(enable = "avx2")]
    fn new(segment: &Segment) -> Self {
        let mut input = [0; WORDS];
        let params = segment.params;
        input[..6].copy_from_slice(&[
            segment.pass as u64,
            segment.lane as u64,
            segment.slice as u64,
            params.costs.block_count() as u64,
            u64::from(params.costs.t_cost()),
            params.algorithm as u64,
        ]);
        let mut addresses = Self {
            input,
            words: [0; WORDS],
        };
        addresses.generate();
        addresses
    }

    /// Must be called with consecutive indices.
    #[target_feature(enable = "avx2")]
    fn word(&mut self, index: usize) -> u64 {
        if index > 0 && index.is_multiple_of(WORDS) {
            self.generate();
        }
        self.words[index % WORDS]
    }

    #[target_feature(enable = "avx2")]
    fn generate(&mut self) {
        self.input[6] += 1;
        let mut state = Block::from_words(&self.input);
        let step = Step {
            reference: 0,
            new: 0,
            write: Write::Replace,
        };
        for _ in 0..2 {
            state.compress(&mut [Block::zero()], step, |_, _| ());
        }
        self.words = state.words();
    }
}

/// Starts to load a block into the cache. A prefetch reads nothing that the program can see.
#[inline]
#[target_feature(enable = "avx2")]
fn prefetch(block: &Block) {
    let start = std::ptr::from_ref(block).cast::<i8>();
    for line in 0..BYTES / CACHE_LINE_BYTES {
        _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * CACHE_LINE_BYTES));
    }
}

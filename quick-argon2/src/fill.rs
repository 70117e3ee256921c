//! Fills the memory: which block each step refers to (RFC 9106 section 3.4), and the blocks at both ends (section 3.2).

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use argon2::{Algorithm, Version};
use zeroize::Zeroizing;

use crate::block::{BYTES, Block, Step, WORDS, Write};
use crate::{Recipe, digest};

/// Parts of a lane between which lanes wait for each other.
const SLICES: usize = 4;
const CACHE_LINE: usize = 64;

/// How the memory is divided.
struct Shape {
    lanes: usize,
    /// Blocks of a lane.
    lane: usize,
    /// Blocks of a segment, which is what a slice and a lane have in common.
    segment: usize,
}

/// One segment in one pass.
struct Segment<'a> {
    shape: &'a Shape,
    recipe: &'a Recipe<'a>,
    pass: usize,
    slice: usize,
    lane: usize,
}

/// Fills the memory, and gives out what the hash is the hash of. Lanes are filled one after the other.
#[target_feature(enable = "avx2")]
pub(crate) fn fill(blocks: &mut Vec<Block>, recipe: &Recipe, first: &[u8]) -> Zeroizing<[u8; BYTES]> {
    let count = recipe.params.block_count();
    if blocks.len() < count {
        blocks.resize(count, Block::zero());
    }
    let blocks = &mut blocks[..count];
    let lanes = recipe.params.p_cost() as usize;
    let shape = Shape {
        lanes,
        lane: count / lanes,
        segment: count / lanes / SLICES,
    };
    begin(blocks, &shape, first);
    for pass in 0..recipe.params.t_cost() as usize {
        for slice in 0..SLICES {
            for lane in 0..lanes {
                let segment = Segment {
                    shape: &shape,
                    recipe,
                    pass,
                    slice,
                    lane,
                };
                segment.fill(blocks);
            }
        }
    }
    end(blocks, &shape)
}

/// The first two blocks of each lane.
#[target_feature(enable = "avx2")]
fn begin(blocks: &mut [Block], shape: &Shape, first: &[u8]) {
    for (lane, blocks) in (0_u32..).zip(blocks.chunks_exact_mut(shape.lane)) {
        for (number, block) in (0_u32..).zip(blocks.iter_mut().take(2)) {
            let mut bytes = Zeroizing::new([0; BYTES]);
            digest::long(&[first, &number.to_le_bytes(), &lane.to_le_bytes()], &mut *bytes);
            let mut words = Zeroizing::new([0; WORDS]);
            for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            *block = Block::from_words(&words);
        }
    }
}

/// The last blocks of all lanes, in one.
#[target_feature(enable = "avx2")]
fn end(blocks: &[Block], shape: &Shape) -> Zeroizing<[u8; BYTES]> {
    let mut sum = Block::zero();
    for lane in blocks.chunks_exact(shape.lane) {
        sum.xor(&lane[shape.lane - 1]);
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
        let from = if self.pass == 0 && self.slice == 0 { 2 } else { 0 };
        let mut state = blocks[self.before(from)];
        if self.is_independent() {
            self.fill_independently(blocks, &mut state, from);
        } else {
            self.fill_dependently(blocks, &mut state, from);
        }
    }

    /// The next block to refer to is known long before it is needed.
    #[target_feature(enable = "avx2")]
    fn fill_independently(&self, blocks: &mut [Block], state: &mut Block, from: usize) {
        let mut addresses = Addresses::new(self);
        let mut reference = self.reference(from, addresses.word(from));
        for index in from..self.shape.segment {
            let step = self.step(index, reference);
            reference = self.reference(index + 1, addresses.word(index + 1));
            prefetch(&blocks[reference]);
            state.compress(blocks, step, |_, _| ());
        }
    }

    /// The next block to refer to depends on the one that is being made: it is fetched as soon as it can be known.
    #[target_feature(enable = "avx2")]
    fn fill_dependently(&self, blocks: &mut [Block], state: &mut Block, from: usize) {
        let mut reference = self.reference(from, state.first_word());
        for index in from..self.shape.segment {
            let step = self.step(index, reference);
            state.compress(blocks, step, |blocks, word| {
                reference = self.reference(index + 1, word);
                prefetch(&blocks[reference]);
            });
        }
    }

    fn is_independent(&self) -> bool {
        match self.recipe.algorithm {
            Algorithm::Argon2i => true,
            Algorithm::Argon2d => false,
            Algorithm::Argon2id => self.pass == 0 && self.slice < SLICES / 2,
        }
    }

    fn step(&self, index: usize, reference: usize) -> Step {
        let is_over = self.pass == 0 || self.recipe.version == Version::V0x10;
        Step {
            reference,
            new: self.place(index),
            write: if is_over { Write::Over } else { Write::Into },
        }
    }

    /// Where in the memory a block of this segment is.
    fn place(&self, index: usize) -> usize {
        self.lane * self.shape.lane + self.slice * self.shape.segment + index
    }

    /// Where the block before is: before the first one of a lane is its last.
    fn before(&self, index: usize) -> usize {
        match self.slice * self.shape.segment + index {
            0 => self.place(self.shape.lane - 1),
            _ => self.place(index) - 1,
        }
    }

    /// Which block a word refers to, for the block of this segment that is made with it (RFC 9106 section 3.4.2). Always one within the
    /// memory; for the index after the last one it has no meaning.
    #[inline]
    fn reference(&self, index: usize, word: u64) -> usize {
        let shape = self.shape;
        let lane = match (self.pass, self.slice) {
            (0, 0) => self.lane,
            // Spares the usual case a division, which would delay the prefetch.
            _ if shape.lanes == 1 => 0,
            _ => (word >> 32) as usize % shape.lanes,
        };
        let (start, finished) = match self.pass {
            0 => (0, self.slice * shape.segment),
            _ => ((self.slice + 1) * shape.segment, shape.lane - shape.segment),
        };
        // Of its own lane, this segment's blocks too; the block before is what is mixed with, wherever it is.
        let choice = if lane == self.lane {
            finished + index - 1
        } else {
            finished - usize::from(index == 0)
        };
        let square = ((word & 0xffff_ffff) * (word & 0xffff_ffff)) >> 32;
        let back = ((choice as u64 * square) >> 32) as usize;
        let offset = start + choice - 1 - back;
        lane * shape.lane
            + if offset < shape.lane {
                offset
            } else {
                offset - shape.lane
            }
    }
}

/// Words that name blocks to refer to and depend on no input (RFC 9106 section 3.4.1.1): a counter, encrypted so to say.
struct Addresses {
    input: [u64; WORDS],
    words: [u64; WORDS],
}

impl Addresses {
    #[target_feature(enable = "avx2")]
    fn new(segment: &Segment) -> Self {
        let mut input = [0; WORDS];
        let recipe = segment.recipe;
        input[..6].copy_from_slice(&[
            segment.pass as u64,
            segment.lane as u64,
            segment.slice as u64,
            recipe.params.block_count() as u64,
            u64::from(recipe.params.t_cost()),
            recipe.algorithm as u64,
        ]);
        let mut addresses = Self {
            input,
            words: [0; WORDS],
        };
        addresses.next();
        addresses
    }

    /// Asked for in order.
    #[target_feature(enable = "avx2")]
    fn word(&mut self, index: usize) -> u64 {
        if index > 0 && index.is_multiple_of(WORDS) {
            self.next();
        }
        self.words[index % WORDS]
    }

    #[target_feature(enable = "avx2")]
    fn next(&mut self) {
        self.input[6] += 1;
        let mut state = Block::from_words(&self.input);
        let step = Step {
            reference: 0,
            new: 0,
            write: Write::Over,
        };
        for _ in 0..2 {
            state.compress(&mut [Block::zero()], step, |_, _| ());
        }
        self.words = state.words();
    }
}

/// Asks the processor to have a block at hand soon. Where a block lies never changes what a hash is.
#[inline]
#[target_feature(enable = "avx2")]
fn prefetch(block: &Block) {
    let start = std::ptr::from_ref(block).cast::<i8>();
    for line in 0..BYTES / CACHE_LINE {
        _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * CACHE_LINE));
    }
}

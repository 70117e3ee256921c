//! One block of 1 KiB, and the compression function over it (RFC 9106 sections 3.5 and 3.6) in vectors of four words.
//!
//! A block is a matrix of eight rows of sixteen words; vector `4 * row + i` holds words `4 * i` to `4 * i + 3` of its row. No function here
//! branches or indexes by what a block holds.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_alignr_epi8, _mm256_extract_epi64, _mm256_mul_epu32, _mm256_permute4x64_epi64,
    _mm256_set_epi64x, _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_shuffle_epi32,
    _mm256_srli_epi64, _mm256_xor_si256,
};

use zeroize::Zeroize;

/// Bytes of a block.
pub(crate) const BYTES: usize = 1024;
/// Words of a block, of 64 bits each.
pub(crate) const WORDS: usize = BYTES / 8;
const VECTORS: usize = 32;
const ROWS: usize = 8;

/// On a border of the processor's cache lines, so that a block is in sixteen of them and not in seventeen.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Block([__m256i; VECTORS]);

/// Which blocks a step is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// The one that it refers to.
    pub(crate) reference: usize,
    /// The one that it makes.
    pub(crate) new: usize,
    pub(crate) write: Write,
}

/// Whether a new block takes the place of the old one or is mixed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// The first pass, and every pass of version 0x10.
    Over,
    /// Later passes of version 0x13.
    Into,
}

#[cfg(test)]
impl Block {
    pub(crate) fn is_zero(&self) -> bool {
        let mut zero = *self;
        zero.zeroize();
        format!("{self:?}") == format!("{zero:?}")
    }
}

impl Zeroize for Block {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl Block {
    #[target_feature(enable = "avx2")]
    pub(crate) fn zero() -> Self {
        Self([_mm256_setzero_si256(); VECTORS])
    }

    #[target_feature(enable = "avx2")]
    pub(crate) fn from_words(words: &[u64; WORDS]) -> Self {
        let mut block = Self::zero();
        let (fours, _) = words.as_chunks::<4>();
        for (vector, four) in block.0.iter_mut().zip(fours) {
            let [a, b, c, d] = four.map(u64::cast_signed);
            *vector = _mm256_set_epi64x(d, c, b, a);
        }
        block
    }

    #[target_feature(enable = "avx2")]
    pub(crate) fn words(&self) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        let (fours, _) = words.as_chunks_mut::<4>();
        for (vector, four) in self.0.iter().zip(fours) {
            *four = [
                _mm256_extract_epi64::<0>(*vector),
                _mm256_extract_epi64::<1>(*vector),
                _mm256_extract_epi64::<2>(*vector),
                _mm256_extract_epi64::<3>(*vector),
            ]
            .map(i64::cast_unsigned);
        }
        words
    }

    /// The word that names the block which the next step refers to.
    #[target_feature(enable = "avx2")]
    pub(crate) fn first_word(&self) -> u64 {
        _mm256_extract_epi64::<0>(self.0[0]).cast_unsigned()
    }

    #[target_feature(enable = "avx2")]
    pub(crate) fn xor(&mut self, other: &Self) {
        for (vector, other) in self.0.iter_mut().zip(&other.0) {
            *vector = _mm256_xor_si256(*vector, *other);
        }
    }

    /// G: makes of `self`, the block before, its successor, and writes that to its place too. `ahead` is called with the first word of it
    /// as soon as that is known, when three quarters of a round are still to be done.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn compress(&mut self, blocks: &mut [Self], step: Step, ahead: impl FnOnce(&[Self], u64)) {
        for pair in 0..ROWS / 2 {
            self.mix_rows(blocks, step, pair);
        }
        self.mix_columns(&mut blocks[step.new], 0);
        ahead(blocks, self.first_word());
        for column in 1..4 {
            self.mix_columns(&mut blocks[step.new], column);
        }
    }

    /// Takes in two rows of the block that is referred to, keeps the sum where the new block will be, and permutes it.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn mix_rows(&mut self, blocks: &mut [Self], step: Step, pair: usize) {
        let from = 8 * pair;
        let mut vectors = [self.0[from]; 8];
        for (at, vector) in (from..).zip(&mut vectors) {
            *vector = _mm256_xor_si256(self.0[at], blocks[step.reference].0[at]);
        }
        let new = &mut blocks[step.new].0;
        for (at, vector) in (from..).zip(vectors) {
            new[at] = match step.write {
                Write::Over => vector,
                Write::Into => _mm256_xor_si256(vector, new[at]),
            };
        }
        self.0[from..from + 8].copy_from_slice(&rows(vectors));
    }

    /// Permutes four columns of words, those in vector `column` of each row, and adds what was kept: they are done.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn mix_columns(&mut self, new: &mut Self, column: usize) {
        let mut vectors = [self.0[column]; ROWS];
        for (row, vector) in vectors.iter_mut().enumerate() {
            *vector = self.0[4 * row + column];
        }
        for (row, vector) in columns(vectors).into_iter().enumerate() {
            let at = 4 * row + column;
            self.0[at] = _mm256_xor_si256(vector, new.0[at]);
            new.0[at] = self.0[at];
        }
    }
}

/// P on two rows of the matrix, side by side to keep the multiplier busy. The words of a row are a to d of four quarter-rounds at once;
/// turned about, they are those of the next four.
#[inline]
#[target_feature(enable = "avx2")]
fn rows([a0, b0, c0, d0, a1, b1, c1, d1]: [__m256i; 8]) -> [__m256i; 8] {
    let [a0, a1, b0, b1, c0, c1, d0, d1] = quarter_rounds([a0, a1, b0, b1, c0, c1, d0, d1]);
    let turned = [
        a0,
        a1,
        _mm256_permute4x64_epi64::<BY_1>(b0),
        _mm256_permute4x64_epi64::<BY_1>(b1),
        _mm256_permute4x64_epi64::<BY_2>(c0),
        _mm256_permute4x64_epi64::<BY_2>(c1),
        _mm256_permute4x64_epi64::<BY_3>(d0),
        _mm256_permute4x64_epi64::<BY_3>(d1),
    ];
    let [a0, a1, b0, b1, c0, c1, d0, d1] = quarter_rounds(turned);
    [
        a0,
        _mm256_permute4x64_epi64::<BY_3>(b0),
        _mm256_permute4x64_epi64::<BY_2>(c0),
        _mm256_permute4x64_epi64::<BY_1>(d0),
        a1,
        _mm256_permute4x64_epi64::<BY_3>(b1),
        _mm256_permute4x64_epi64::<BY_2>(c1),
        _mm256_permute4x64_epi64::<BY_1>(d1),
    ]
}

const BY_1: i32 = 0b00_11_10_01;
const BY_2: i32 = 0b01_00_11_10;
const BY_3: i32 = 0b10_01_00_11;

/// P on two pairs of columns. Each half of a vector belongs to one pair, so that turning stays within halves.
#[inline]
#[target_feature(enable = "avx2")]
fn columns(vectors: [__m256i; 8]) -> [__m256i; 8] {
    let [a0, a1, b0, b1, c0, c1, d0, d1] = quarter_rounds(vectors);
    let turned = [a0, a1, join(b0, b1), join(b1, b0), c1, c0, join(d1, d0), join(d0, d1)];
    let [a0, a1, b0, b1, c0, c1, d0, d1] = quarter_rounds(turned);
    [a0, a1, join(b1, b0), join(b0, b1), c1, c0, join(d0, d1), join(d1, d0)]
}

/// The second word of each half of one vector, then the first of the other.
#[inline]
#[target_feature(enable = "avx2")]
fn join(second: __m256i, first: __m256i) -> __m256i {
    _mm256_alignr_epi8::<8>(first, second)
}

/// GB, eight times.
#[inline]
#[target_feature(enable = "avx2")]
fn quarter_rounds([a0, a1, b0, b1, c0, c1, d0, d1]: [__m256i; 8]) -> [__m256i; 8] {
    let (a0, a1) = (multiply_add(a0, b0), multiply_add(a1, b1));
    let (d0, d1) = (rotate_32(d0, a0), rotate_32(d1, a1));
    let (c0, c1) = (multiply_add(c0, d0), multiply_add(c1, d1));
    let (b0, b1) = (rotate_24(b0, c0), rotate_24(b1, c1));
    let (a0, a1) = (multiply_add(a0, b0), multiply_add(a1, b1));
    let (d0, d1) = (rotate_16(d0, a0), rotate_16(d1, a1));
    let (c0, c1) = (multiply_add(c0, d0), multiply_add(c1, d1));
    let (b0, b1) = (rotate_63(b0, c0), rotate_63(b1, c1));
    [a0, a1, b0, b1, c0, c1, d0, d1]
}

/// x + y + 2 · low half of x · low half of y.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply_add(x: __m256i, y: __m256i) -> __m256i {
    let product = _mm256_mul_epu32(x, y);
    _mm256_add_epi64(_mm256_add_epi64(x, y), _mm256_add_epi64(product, product))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_32(x: __m256i, y: __m256i) -> __m256i {
    _mm256_shuffle_epi32::<0b10_11_00_01>(_mm256_xor_si256(x, y))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_24(x: __m256i, y: __m256i) -> __m256i {
    let bytes = _mm256_setr_epi8(
        3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
    );
    _mm256_shuffle_epi8(_mm256_xor_si256(x, y), bytes)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_16(x: __m256i, y: __m256i) -> __m256i {
    let bytes = _mm256_setr_epi8(
        2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
    );
    _mm256_shuffle_epi8(_mm256_xor_si256(x, y), bytes)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_63(x: __m256i, y: __m256i) -> __m256i {
    let x = _mm256_xor_si256(x, y);
    _mm256_xor_si256(_mm256_srli_epi64::<63>(x), _mm256_add_epi64(x, x))
}

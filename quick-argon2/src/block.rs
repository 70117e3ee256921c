//! A block of 1 KiB, and the compression function G (RFC 9106 sections 3.5 and 3.6) in AVX2 vectors
//! of four words.
//!
//! A block is a matrix of eight rows of sixteen words. Vector `4 * row + i` holds the words `4 * i`
//! to `4 * i + 3` of its row. To keep the time of a step independent of the password, no function
//! here branches on the content of a block or uses it as an index.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_alignr_epi8, _mm256_extract_epi64, _mm256_mul_epu32, _mm256_permute4x64_epi64,
    _mm256_set_epi64x, _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_shuffle_epi32,
    _mm256_srli_epi64, _mm256_xor_si256,
};

use zeroize::Zeroize;

pub(crate) const BYTES: usize = 1024;
/// Words of 64 bits in a block.
pub(crate) const WORDS: usize = BYTES / 8;
const VECTORS: usize = 32;
const ROWS: usize = 8;

/// Aligned to the cache lines of the processor: a block fills sixteen of them and touches no other.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Block([__m256i; VECTORS]);

/// One step of a lane: the indices of its blocks in the memory, and how it writes.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// The block to mix with the previous one.
    pub(crate) reference: usize,
    /// The block to write.
    pub(crate) new: usize,
    pub(crate) write: Write,
}

/// How the result of a step goes into the memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// The result replaces the old block: in the first pass, and in every pass of version 0x10.
    Replace,
    /// The exclusive or of both replaces the old block: in later passes of version 0x13.
    Xor,
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

    /// The pseudo-random word J1 || J2 that selects the reference block of the next step.
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

    /// G: turns `self`, the previous block, into the new block, and writes it to the memory too.
    ///
    /// The first column contains the first word of the new block, so it is permuted first. Then
    /// `on_first_word` is called, which can prefetch the next reference block while the other three
    /// columns are permuted.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn compress(&mut self, blocks: &mut [Self], step: Step, on_first_word: impl FnOnce(&[Self], u64)) {
        for pair in 0..ROWS / 2 {
            self.mix_rows(blocks, step, pair);
        }
        self.mix_columns(&mut blocks[step.new], 0);
        on_first_word(blocks, self.first_word());
        for column in 1..4 {
            self.mix_columns(&mut blocks[step.new], column);
        }
    }

    /// XORs two rows of the reference block into `self`, saves the sum in the new block, and
    /// permutes the sum.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn mix_rows(&mut self, blocks: &mut [Self], step: Step, pair: usize) {
        let first = 8 * pair;
        let mut vectors = [self.0[first]; 8];
        for (index, vector) in (first..).zip(&mut vectors) {
            *vector = _mm256_xor_si256(self.0[index], blocks[step.reference].0[index]);
        }
        let new = &mut blocks[step.new].0;
        for (index, vector) in (first..).zip(vectors) {
            new[index] = match step.write {
                Write::Replace => vector,
                Write::Xor => _mm256_xor_si256(vector, new[index]),
            };
        }
        self.0[first..first + 8].copy_from_slice(&rows(vectors));
    }

    /// Permutes four columns of words, those in vector `column` of each row, and XORs the saved sum
    /// into them. That completes them.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn mix_columns(&mut self, new: &mut Self, column: usize) {
        let mut vectors = [self.0[column]; ROWS];
        for (row, vector) in vectors.iter_mut().enumerate() {
            *vector = self.0[4 * row + column];
        }
        for (row, vector) in columns(vectors).into_iter().enumerate() {
            let index = 4 * row + column;
            self.0[index] = _mm256_xor_si256(vector, new.0[index]);
            new.0[index] = self.0[index];
        }
    }
}

/// The permutation P on two rows of the matrix, interleaved to keep the multiplier busy. The four
/// vectors of a row are the operands a to d of four quarter-rounds at once. Rotated by zero to
/// three words, they are the operands of the next four.
#[inline]
#[target_feature(enable = "avx2")]
fn rows([a0, b0, c0, d0, a1, b1, c1, d1]: [__m256i; 8]) -> [__m256i; 8] {
    let [a0, a1, b0, b1, c0, c1, d0, d1] = quarter_rounds([a0, a1, b0, b1, c0, c1, d0, d1]);
    let rotated = [
        a0,
        a1,
        _mm256_permute4x64_epi64::<ROTATE_1>(b0),
        _mm256_permute4x64_epi64::<ROTATE_1>(b1),
        _mm256_permute4x64_epi64::<ROTATE_2>(c0),
        _mm256_permute4x64_epi64::<ROTATE_2>(c1),
        _mm256_permute4x64_epi64::<ROTATE_3>(d0),
        _mm256_permute4x64_epi64::<ROTATE_3>(d1),
    ];
    let [a0, a1, b0, b1, c0, c1, d0, d1] = quarter_rounds(rotated);
    [
        a0,
        _mm256_permute4x64_epi64::<ROTATE_3>(b0),
        _mm256_permute4x64_epi64::<ROTATE_2>(c0),
        _mm256_permute4x64_epi64::<ROTATE_1>(d0),
        a1,
        _mm256_permute4x64_epi64::<ROTATE_3>(b1),
        _mm256_permute4x64_epi64::<ROTATE_2>(c1),
        _mm256_permute4x64_epi64::<ROTATE_1>(d1),
    ]
}

const ROTATE_1: i32 = 0b00_11_10_01;
const ROTATE_2: i32 = 0b01_00_11_10;
const ROTATE_3: i32 = 0b10_01_00_11;

/// The permutation P on two pairs of columns. Each half of a vector belongs to one pair, so the
/// rotation by words stays within halves.
#[inline]
#[target_feature(enable = "avx2")]
fn columns(vectors: [__m256i; 8]) -> [__m256i; 8] {
    let [a0, a1, b0, b1, c0, c1, d0, d1] = quarter_rounds(vectors);
    let rotated = [a0, a1, join(b0, b1), join(b1, b0), c1, c0, join(d1, d0), join(d0, d1)];
    let [a0, a1, b0, b1, c0, c1, d0, d1] = quarter_rounds(rotated);
    [a0, a1, join(b1, b0), join(b0, b1), c1, c0, join(d0, d1), join(d1, d0)]
}

/// In each half: the second word of one vector, then the first word of the other.
#[inline]
#[target_feature(enable = "avx2")]
fn join(second: __m256i, first: __m256i) -> __m256i {
    _mm256_alignr_epi8::<8>(first, second)
}

/// The function GB of RFC 9106 section 3.6, eight times.
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

/// x + y + 2 * low32(x) * low32(y), for each word.
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

#[cfg(test)]
impl Block {
    pub(crate) fn is_zero(&self) -> bool {
        let mut zero = *self;
        zero.zeroize();
        format!("{:?}", self.0) == format!("{:?}", zero.0)
    }
}

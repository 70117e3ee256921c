//! Against the test vectors of RFC 9106 section 5, and against the `argon2` crate.

use argon2::{AssociatedData, ParamsBuilder};
use proptest::prelude::*;

use super::*;

/// The inputs of RFC 9106 section 5, the same for all three.
fn of_the_rfc(algorithm: Algorithm) -> [u8; 32] {
    let params = ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .data(AssociatedData::new(&[4; 12]).unwrap())
        .build()
        .unwrap();
    let recipe = Recipe {
        algorithm,
        version: Version::V0x13,
        params,
        secret: &[3; 8],
    };
    let mut output = [0; 32];
    Memory::new(0).hash(&recipe, &[1; 32], &[2; 16], &mut output).unwrap();
    output
}

#[test]
fn argon2d_makes_the_tag_of_rfc_9106_section_5_1() {
    let tag = [
        0x51, 0x2b, 0x39, 0x1b, 0x6f, 0x11, 0x62, 0x97, 0x53, 0x71, 0xd3, 0x09, 0x19, 0x73, 0x42, 0x94, 0xf8, 0x68,
        0xe3, 0xbe, 0x39, 0x84, 0xf3, 0xc1, 0xa1, 0x3a, 0x4d, 0xb9, 0xfa, 0xbe, 0x4a, 0xcb,
    ];
    assert_eq!(of_the_rfc(Algorithm::Argon2d), tag);
}

#[test]
fn argon2i_makes_the_tag_of_rfc_9106_section_5_2() {
    let tag = [
        0xc8, 0x14, 0xd9, 0xd1, 0xdc, 0x7f, 0x37, 0xaa, 0x13, 0xf0, 0xd7, 0x7f, 0x24, 0x94, 0xbd, 0xa1, 0xc8, 0xde,
        0x6b, 0x01, 0x6d, 0xd3, 0x88, 0xd2, 0x99, 0x52, 0xa4, 0xc4, 0x67, 0x2b, 0x6c, 0xe8,
    ];
    assert_eq!(of_the_rfc(Algorithm::Argon2i), tag);
}

#[test]
fn argon2id_makes_the_tag_of_rfc_9106_section_5_3() {
    let tag = [
        0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9, 0xd0, 0x1e,
        0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
    ];
    assert_eq!(of_the_rfc(Algorithm::Argon2id), tag);
}

fn params() -> impl Strategy<Value = Params> {
    let output = prop_oneof![4_usize..=64, 65_usize..=200];
    (1_u32..=4, 1_u32..=4, 0_u32..=600, output).prop_map(|(lanes, passes, more, output)| {
        // Eight blocks for each lane are the least; more than 512 make a segment longer than one block of addresses.
        Params::new(8 * lanes + more * lanes, passes, lanes, Some(output)).unwrap()
    })
}

fn recipe() -> impl Strategy<Value = Recipe<'static>> {
    let algorithm = prop_oneof![
        Just(Algorithm::Argon2d),
        Just(Algorithm::Argon2i),
        Just(Algorithm::Argon2id)
    ];
    let version = prop_oneof![Just(Version::V0x10), Just(Version::V0x13)];
    let secret = prop_oneof![Just(&[][..]), Just(&[7; 20][..])];
    (algorithm, version, params(), secret).prop_map(|(algorithm, version, params, secret)| Recipe {
        algorithm,
        version,
        params,
        secret,
    })
}

proptest! {
    /// In one memory for all, as a hashing thread has it: what one hash left must not show in the next.
    #[test]
    fn every_hash_is_the_one_that_the_argon2_crate_makes(
        cases in prop::collection::vec((recipe(), prop::collection::vec(any::<u8>(), 0..300), prop::collection::vec(any::<u8>(), 8..70)), 1..4),
    ) {
        let (mut quick, mut portable) = (Memory::new(0), Memory::portable(0));
        for (recipe, password, salt) in cases {
            let length = recipe.params.output_len().unwrap();
            let (mut ours, mut theirs) = (vec![0; length], vec![0; length]);
            quick.hash(&recipe, &password, &salt, &mut ours).unwrap();
            portable.hash(&recipe, &password, &salt, &mut theirs).unwrap();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn what_the_argon2_crate_refuses_is_refused_in_its_words(salt in 0_usize..12, output in 0_usize..70, stated in prop::option::of(4_usize..64)) {
        let params = Params::new(8, 1, 1, stated).unwrap();
        let recipe = Recipe { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, secret: &[] };
        let answer = |mut memory: Memory| memory.hash(&recipe, b"password", &vec![1; salt], &mut vec![0; output]);
        prop_assert_eq!(answer(Memory::new(0)), answer(Memory::portable(0)));
    }
}

#[test]
fn memory_is_taken_at_the_first_hash_and_can_be_wiped() {
    for mut memory in [Memory::new(0), Memory::portable(0)] {
        let params = Params::new(64, 1, 1, None).unwrap();
        let recipe = Recipe {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params,
            secret: &[],
        };
        assert_eq!(memory.blocks(), 0);
        memory.hash(&recipe, b"password", b"somesalt", &mut [0; 32]).unwrap();
        assert_eq!(memory.blocks(), 64);
        assert!(!memory.is_wiped());
        memory.wipe();
        assert!(memory.is_wiped());
        assert_eq!(memory.blocks(), 64);
    }
}

impl Memory {
    fn blocks(&self) -> usize {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Blocks::Avx2(blocks) => blocks.len(),
            Blocks::Portable(blocks) => blocks.len(),
        }
    }

    fn is_wiped(&self) -> bool {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Blocks::Avx2(blocks) => blocks.iter().all(block::Block::is_zero),
            Blocks::Portable(blocks) => blocks.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)),
        }
    }
}

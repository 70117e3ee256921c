//! Against the test vectors of RFC 9106 section 5, and against the `argon2` crate.

use proptest::prelude::*;

use super::*;

/// A hash of the inputs of RFC 9106 section 5, the same for all three algorithms.
fn rfc_hash(algorithm: Algorithm) -> [u8; 32] {
    let costs = ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .data(AssociatedData::new(&[4; 12]).unwrap())
        .build()
        .unwrap();
    let params = HashParams {
        algorithm,
        version: Version::V0x13,
        costs,
        secret: &[3; 8],
    };
    let mut output = [0; 32];
    HashMemory::with_capacity(0)
        .hash(&params, &[1; 32], &[2; 16], &mut output)
        .unwrap();
    output
}

#[test]
fn argon2d_matches_the_vector_of_rfc_9106_section_5_1() {
    let tag = [
        0x51, 0x2b, 0x39, 0x1b, 0x6f, 0x11, 0x62, 0x97, 0x53, 0x71, 0xd3, 0x09, 0x19, 0x73, 0x42, 0x94, 0xf8, 0x68,
        0xe3, 0xbe, 0x39, 0x84, 0xf3, 0xc1, 0xa1, 0x3a, 0x4d, 0xb9, 0xfa, 0xbe, 0x4a, 0xcb,
    ];
    assert_eq!(rfc_hash(Algorithm::Argon2d), tag);
}

#[test]
fn argon2i_matches_the_vector_of_rfc_9106_section_5_2() {
    let tag = [
        0xc8, 0x14, 0xd9, 0xd1, 0xdc, 0x7f, 0x37, 0xaa, 0x13, 0xf0, 0xd7, 0x7f, 0x24, 0x94, 0xbd, 0xa1, 0xc8, 0xde,
        0x6b, 0x01, 0x6d, 0xd3, 0x88, 0xd2, 0x99, 0x52, 0xa4, 0xc4, 0x67, 0x2b, 0x6c, 0xe8,
    ];
    assert_eq!(rfc_hash(Algorithm::Argon2i), tag);
}

#[test]
fn argon2id_matches_the_vector_of_rfc_9106_section_5_3() {
    let tag = [
        0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9, 0xd0, 0x1e,
        0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
    ];
    assert_eq!(rfc_hash(Algorithm::Argon2id), tag);
}

fn costs() -> impl Strategy<Value = Params> {
    let output = prop_oneof![4_usize..=64, 65_usize..=200];
    (1_u32..=4, 1_u32..=4, 0_u32..=600, output).prop_map(|(lanes, iterations, more, output)| {
        // A lane needs eight blocks. With more than 512, a segment has more than the 128 reference
        // blocks that one block of data-independent words selects.
        Params::new(8 * lanes + more * lanes, iterations, lanes, Some(output)).unwrap()
    })
}

fn hash_params() -> impl Strategy<Value = HashParams<'static>> {
    let algorithm = prop_oneof![
        Just(Algorithm::Argon2d),
        Just(Algorithm::Argon2i),
        Just(Algorithm::Argon2id)
    ];
    let version = prop_oneof![Just(Version::V0x10), Just(Version::V0x13)];
    let secret = prop_oneof![Just(&[][..]), Just(&[7; 20][..])];
    (algorithm, version, costs(), secret).prop_map(|(algorithm, version, costs, secret)| HashParams {
        algorithm,
        version,
        costs,
        secret,
    })
}

proptest! {
    /// All hashes of a case use the same memory: the blocks of one must not change the next.
    #[test]
    fn every_hash_equals_that_of_the_argon2_crate(
        cases in prop::collection::vec(
            (
                hash_params(),
                prop::collection::vec(any::<u8>(), 0..300),
                prop::collection::vec(any::<u8>(), 8..70),
            ),
            1..4,
        ),
    ) {
        let mut quick = HashMemory::with_capacity(0);
        let mut portable = HashMemory::portable_with_capacity(0);
        for (params, password, salt) in cases {
            let length = params.costs.output_len().unwrap();
            let (mut ours, mut theirs) = (vec![0; length], vec![0; length]);
            quick.hash(&params, &password, &salt, &mut ours).unwrap();
            portable.hash(&params, &password, &salt, &mut theirs).unwrap();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn the_errors_are_those_of_the_argon2_crate(
        salt in 0_usize..12,
        output in 0_usize..70,
        stated in prop::option::of(4_usize..64),
    ) {
        let params = HashParams::argon2id(Params::new(8, 1, 1, stated).unwrap());
        let result = |mut memory: HashMemory| {
            memory.hash(&params, b"password", &vec![1; salt], &mut vec![0; output])
        };
        prop_assert_eq!(
            result(HashMemory::with_capacity(0)),
            result(HashMemory::portable_with_capacity(0))
        );
    }
}

#[test]
fn memory_grows_when_needed_and_can_be_wiped() {
    for mut memory in [HashMemory::with_capacity(0), HashMemory::portable_with_capacity(0)] {
        assert_eq!(memory.blocks(), 0);
        for blocks in [8, 64] {
            let params = HashParams::argon2id(Params::new(blocks, 1, 1, None).unwrap());
            memory.hash(&params, b"password", b"somesalt", &mut [0; 32]).unwrap();
            assert_eq!(memory.blocks(), blocks as usize);
        }
        assert!(!memory.is_wiped());
        memory.wipe();
        assert!(memory.is_wiped());
        assert_eq!(memory.blocks(), 64);
    }
}

#[test]
fn debug_output_has_neither_the_secret_nor_the_blocks() {
    let mut params = HashParams::argon2id(Params::new(8, 1, 1, None).unwrap());
    params.secret = &[222; 8];
    assert!(!format!("{params:?}").contains("222"));
    let mut memory = HashMemory::portable_with_capacity(0);
    memory.hash(&params, b"password", b"somesalt", &mut [0; 32]).unwrap();
    assert_eq!(
        format!("{memory:?}"),
        r#"HashMemory { implementation: "argon2", blocks: 8, .. }"#
    );
}

impl HashMemory {
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

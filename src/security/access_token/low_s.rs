//! One signature for one `ES256` token.
//!
//! With (r, s) anybody can make (r, n − s), which verifies as well (SEC 1 section 4.1.4): another text for the same token. Nothing here
//! is known by a token's text, so that would forge nothing; but a token that cannot be changed at all is easier to reason about. So the
//! smaller s is the only one that is written and read. Other verifiers take either.

/// Length of r and of s, in bytes (RFC 7518 section 3.4).
const BYTES: usize = 32;

/// The order n of P-256 (SEC 2 section 2.4.2).
const ORDER: [u8; BYTES] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The one of both signatures that has the smaller s.
pub(crate) fn lowered(mut signature: Vec<u8>) -> Vec<u8> {
    if let Some(s) = signature.get_mut(BYTES..)
        && let Some(other) = complement(s)
        && *other.as_slice() < *s
    {
        s.copy_from_slice(&other);
    }
    signature
}

/// Whether s is the smaller one.
pub(crate) fn is_low(signature: &[u8]) -> bool {
    let s = signature.get(BYTES..).unwrap_or_default();
    complement(s).is_some_and(|other| s < other.as_slice())
}

/// n − s, both as big-endian numbers; `None` unless s is of that length and at most n.
fn complement(s: &[u8]) -> Option<[u8; BYTES]> {
    let s: [u8; BYTES] = s.try_into().ok()?;
    let (mut difference, mut borrow) = ([0; BYTES], false);
    for (byte, (minuend, subtrahend)) in difference.iter_mut().zip(ORDER.into_iter().zip(s)).rev() {
        let (partial, first) = minuend.overflowing_sub(subtrahend);
        let (whole, second) = partial.overflowing_sub(u8::from(borrow));
        *byte = whole;
        borrow = first || second;
    }
    (!borrow).then_some(difference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(s: [u8; BYTES]) -> Vec<u8> {
        [[7; BYTES], s].concat()
    }

    fn number(last: u8) -> [u8; BYTES] {
        let mut number = [0; BYTES];
        number[BYTES - 1] = last;
        number
    }

    #[test]
    fn the_smaller_of_both_is_kept_and_known() {
        let low = signature(number(5));
        let high = signature(complement(&number(5)).unwrap());
        assert!(is_low(&low) && !is_low(&high));
        assert_eq!(lowered(high), low);
        assert_eq!(lowered(low.clone()), low);
    }

    #[test]
    fn what_is_no_s_is_not_low() {
        for s in [ORDER, [0xff; BYTES]] {
            assert!(!is_low(&signature(s)));
        }
        for length in [0, 1, 31, 32, 63, 65] {
            assert!(!is_low(&vec![0; length]), "{length}");
            assert_eq!(lowered(vec![0; length]).len(), length);
        }
    }

    #[test]
    fn the_complement_of_the_complement_is_the_number() {
        for s in [number(0), number(1), number(255), [0x55; BYTES]] {
            assert_eq!(complement(&complement(&s).unwrap()), Some(s));
        }
        assert_eq!(complement(&number(0x51)).unwrap()[BYTES - 1], 0);
    }
}

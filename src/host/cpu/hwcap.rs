//! Processor flags of the architectures where the kernel gives them to each process: the words AT_HWCAP and AT_HWCAP2
//! of the auxiliary vector, read from /proc/self/auxv. See getauxval(3) and the kernel's `asm/hwcap.h`.

use crate::host::{Absence, HostRoot};

/// The two words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hwcap {
    pub(super) first: u64,
    pub(super) second: u64,
}

/// How an architecture writes a word.
#[derive(Clone, Copy)]
pub(super) struct Words {
    bytes: usize,
    big_endian: bool,
}

/// arm64 and ppc64le.
pub(super) const LITTLE_64: Words = Words { bytes: 8, big_endian: false };
/// arm.
pub(super) const LITTLE_32: Words = Words { bytes: 4, big_endian: false };
/// s390x.
pub(super) const BIG_64: Words = Words { bytes: 8, big_endian: true };

const AUXV: &str = "/proc/self/auxv";

/// Reads the two words of the host.
pub(super) fn read(root: &HostRoot, words: Words) -> Result<Hwcap, Absence> {
    Ok(parse(&root.read(AUXV)?, words))
}

fn parse(auxv: &[u8], words: Words) -> Hwcap {
    const AT_HWCAP: u64 = 16;
    const AT_HWCAP2: u64 = 26;
    let mut hwcap = Hwcap::default();
    for entry in auxv.chunks_exact(2 * words.bytes) {
        let (kind, value) = entry.split_at(words.bytes);
        match number(kind, words) {
            AT_HWCAP => hwcap.first = number(value, words),
            AT_HWCAP2 => hwcap.second = number(value, words),
            _ => {}
        }
    }
    hwcap
}

fn number(bytes: &[u8], words: Words) -> u64 {
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    if words.big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
}

/// The names of the bits that are set; a bit whose name is empty has none.
pub(super) fn named_bits<'a>(word: u64, names: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let set = move |(bit, name): &(u32, &str)| word >> bit & 1 == 1 && !name.is_empty();
    (0u32..64).zip(names.iter().copied()).filter(set).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vector_is_read_in_the_byte_order_of_its_host() {
        let pairs: [(u64, u64); 3] = [(16, 0x1234), (26, 0x8000_0000_0000_0001), (0, 0)];
        let wanted = Hwcap { first: 0x1234, second: 0x8000_0000_0000_0001 };
        let little = pairs.iter().flat_map(|(k, v)| [k.to_le_bytes(), v.to_le_bytes()].concat());
        let big = pairs.iter().flat_map(|(k, v)| [k.to_be_bytes(), v.to_be_bytes()].concat());
        assert_eq!(parse(&little.collect::<Vec<_>>(), LITTLE_64), wanted);
        assert_eq!(parse(&big.collect::<Vec<_>>(), BIG_64), wanted);
        let short = [16u32.to_le_bytes(), 5u32.to_le_bytes()].concat();
        assert_eq!(parse(&short, LITTLE_32), Hwcap { first: 5, second: 0 });
    }

    proptest! {
        #[test]
        fn rubbish_does_no_harm(auxv in any::<Vec<u8>>()) {
            for words in [LITTLE_64, LITTLE_32, BIG_64] {
                parse(&auxv, words);
            }
        }
    }
}

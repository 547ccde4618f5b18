//! sprig's encodings and checksums.
//!
//! Rule: sprig `strings.go` and `crypto.go`. A text that does not decode is an error here; sprig gives the words of the
//! error as if they were the decoded text.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256, Sha512};

use crate::rules::template::arguments::Arguments;
use crate::rules::template::heap::Heap;
use crate::rules::template::value::{Fault, Value, failed};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Go's standard encoding, which does not look at the bits left over in the last letter.
const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// `b64enc text`
pub fn b64enc(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    heap.charge(arguments.text(0).len() * 2)?;
    heap.text(STANDARD.encode(arguments.text(0)))
}

/// `b64dec text`
pub fn b64dec(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let text: Vec<u8> = without_newlines(arguments.text(0));
    heap.charge(text.len())?;
    match STANDARD.decode(&text) {
        Ok(bytes) => heap.text(bytes),
        Err(_) => failed("the text is not base 64"),
    }
}

/// Go's decoders skip line ends.
fn without_newlines(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect()
}

/// `b32enc text`
pub fn b32enc(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let mut out = heap.builder();
    for group in arguments.text(0).chunks(5) {
        let bits = group.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        let bits = bits << (8 * (5 - group.len()));
        let letters = (group.len() * 8).div_ceil(5);
        for index in 0..8 {
            let value = usize::try_from(bits >> (35 - 5 * index) & 31).unwrap_or(0);
            let letter = BASE32.get(value).filter(|_| index < letters).unwrap_or(&b'=');
            out.push(&[*letter])?;
        }
    }
    out.finish()
}

/// `b32dec text`
pub fn b32dec(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    let text = without_newlines(arguments.text(0));
    heap.charge(text.len())?;
    match decode_base32(&text) {
        Some(bytes) => heap.text(bytes),
        None => failed("the text is not base 32"),
    }
}

fn decode_base32(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let groups = text.len().div_ceil(8);
    for (index, group) in text.chunks(8).enumerate() {
        let letters = group.iter().take_while(|byte| **byte != b'=').count();
        let padded = group.iter().skip(letters).all(|byte| *byte == b'=');
        let last = index + 1 == groups;
        let fits = matches!(letters, 2 | 4 | 5 | 7) && last || letters == 8;
        if group.len() != 8 || !padded || !fits {
            return None;
        }
        let mut bits = 0u64;
        for letter in group.iter().take(letters) {
            let value = BASE32.iter().position(|known| known == letter)?;
            bits = bits << 5 | u64::try_from(value).ok()?;
        }
        bits <<= 5 * (8 - letters);
        bytes.extend(bits.to_be_bytes().iter().skip(3).take(letters * 5 / 8));
    }
    Some(bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `sha256sum text`
pub fn sha256sum(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    heap.step(4 + arguments.text(0).len() / 16)?;
    heap.text(hexadecimal(&Sha256::digest(arguments.text(0))))
}

/// `sha512sum text`
pub fn sha512sum(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    heap.step(4 + arguments.text(0).len() / 16)?;
    heap.text(hexadecimal(&Sha512::digest(arguments.text(0))))
}

/// `adler32sum text`
pub fn adler32sum(heap: &Heap, arguments: Arguments<'_>) -> Result<Value, Fault> {
    heap.step(1 + arguments.text(0).len() / 16)?;
    let (low, high) = arguments.text(0).iter().fold((1u32, 0u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65521;
        (low, (high + low) % 65521)
    });
    heap.text((high << 16 | low).to_string())
}

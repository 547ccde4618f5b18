//! Finding one record in a record file of containers/storage without holding the file: `containers.json` and
//! `images.json` are megabytes on a node with thousands of containers and images.
//!
//! The file is read in pieces from its end, where the newest records are, and searched for the text with which the
//! engines' encoder begins a record, `{"id":"…"`. A quote inside a JSON string is always escaped, so that text can only
//! be the beginning of an object; with an array's bracket or comma before it, it is a record, since no record has a
//! list of objects with an `id`. Only that record is parsed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::de::DeserializeOwned;

/// First piece. A node with a hundred containers has less.
const SMALLEST: u64 = 32 << 10;
/// Largest piece: memory that a process touches for the first time costs more than the calls that larger ones spare.
const LARGEST: u64 = 64 << 10;
/// What comes before the id of a record.
const BEGINNING: &[u8] = b"{\"id\":\"";

/// What a search came to.
#[derive(Debug, PartialEq)]
pub enum Found<R> {
    /// The record.
    Record(R),
    /// The id is somewhere in the file, but not where a record begins, or that record cannot be parsed.
    Mentioned,
    /// The id is nowhere in the file.
    Nowhere,
}

/// Searches `file` of `size` bytes for the record with `id`.
pub fn find<R: DeserializeOwned>(file: &File, size: u64, id: &str) -> io::Result<Found<R>> {
    let needle = Needle::new(id.as_bytes());
    let mut buffer = Vec::new();
    let (mut end, mut piece, mut mentioned) = (size, SMALLEST, false);
    // Enough to see a beginning that the piece above cut, and what stands before it.
    let overlap = (BEGINNING.len() + id.len()) as u64;
    while end > 0 {
        let begin = end.saturating_sub(piece);
        let length = usize::try_from((end + overlap).min(size) - begin).unwrap_or(usize::MAX);
        buffer.resize(length, 0);
        file.read_exact_at(&mut buffer, begin)?;
        let mut from = 0;
        while let Some(place) = needle.find(&buffer, from) {
            mentioned = true;
            if let Some(start) = record_start(&buffer, place)
                && let Some(record) = match first(buffer.get(start..).unwrap_or_default()) {
                    // Cut at the end of the piece.
                    Some(Err(error)) if error.is_eof() => parse(file, size, begin + start as u64)?,
                    other => other.and_then(Result::ok),
                }
            {
                return Ok(Found::Record(record));
            }
            from = place + 1;
        }
        end = begin;
        piece = (piece * 2).min(LARGEST);
    }
    Ok(if mentioned { Found::Mentioned } else { Found::Nowhere })
}

/// Where the record begins whose id stands at `place`; `None` if it is no record's id.
fn record_start(buffer: &[u8], place: usize) -> Option<usize> {
    let start = place.checked_sub(BEGINNING.len())?;
    let before = buffer.get(..start)?.last()?;
    let begins = buffer.get(start..place)? == BEGINNING && matches!(before, b'[' | b',');
    begins.then_some(start)
}

/// Parses the record that begins at `start`, reading more of the file until it ends.
fn parse<R: DeserializeOwned>(file: &File, size: u64, start: u64) -> io::Result<Option<R>> {
    let mut length = SMALLEST;
    loop {
        let whole = size - start <= length;
        let mut bytes = vec![0; usize::try_from(length.min(size - start)).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, start)?;
        match first(&bytes) {
            Some(Ok(record)) => return Ok(Some(record)),
            Some(Err(error)) if error.is_eof() && !whole => length *= 4,
            _ => return Ok(None),
        }
    }
}

fn first<R: DeserializeOwned>(bytes: &[u8]) -> Option<Result<R, serde_json::Error>> {
    serde_json::Deserializer::from_slice(bytes).into_iter().next()
}

/// A text to be searched for. On x86-64 with the instructions that every such processor has: the crate's own choice
/// asks the processor for better ones, which takes longer in a virtual machine than the search.
struct Needle<'a> {
    text: &'a [u8],
    #[cfg(target_arch = "x86_64")]
    finder: Option<memchr::arch::x86_64::sse2::packedpair::Finder>,
}

impl<'a> Needle<'a> {
    fn new(text: &'a [u8]) -> Self {
        Needle {
            text,
            #[cfg(target_arch = "x86_64")]
            finder: memchr::arch::x86_64::sse2::packedpair::Finder::new(text),
        }
    }

    /// The first occurrence at or after `from`.
    fn find(&self, buffer: &[u8], from: usize) -> Option<usize> {
        let rest = buffer.get(from..)?;
        Some(from + self.find_in(rest)?)
    }

    #[cfg(target_arch = "x86_64")]
    fn find_in(&self, rest: &[u8]) -> Option<usize> {
        match &self.finder {
            Some(finder) if rest.len() >= finder.min_haystack_len() => finder.find(rest, self.text),
            _ => rest.windows(self.text.len().max(1)).position(|window| window == self.text),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn find_in(&self, rest: &[u8]) -> Option<usize> {
        memchr::memmem::find(rest, self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Record {
        id: String,
        #[serde(default)]
        layer: String,
    }

    fn find_in(text: &str, id: &str) -> Found<Record> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        find(&file, text.len() as u64, id).unwrap()
    }

    #[test]
    fn a_record_is_found_but_never_inside_another_ones_text() {
        let text =
            r#"[{"id":"a","metadata":"[{\"id\":\"b\"}]","x":{"id":"b"}},{"id":"b","layer":"l"}]"#;
        let expected = Record { id: "b".to_owned(), layer: "l".to_owned() };
        assert_eq!(find_in(text, "b"), Found::Record(expected));
        assert_eq!(find_in(r#"[{"id":"a","metadata":"[{\"id\":\"b\"}]"}]"#, "b"), Found::Mentioned);
        assert_eq!(find_in(r#"[{"id":"b""#, "b"), Found::Mentioned);
        assert_eq!(find_in(r#"[{ "id": "b"}]"#, "b"), Found::Mentioned);
        assert_eq!(find_in("[]", "b"), Found::Nowhere);
        assert_eq!(find_in("", "b"), Found::Nowhere);
    }

    /// Records of all lengths, so that pieces end at every place of one.
    #[test]
    fn every_record_is_found_wherever_the_pieces_are_cut() {
        let id = |number: usize| format!("{number:064x}");
        let records: Vec<String> = (0..1500)
            .map(|n| format!(r#"{{"id":"{}","layer":"{}"}}"#, id(n), "x".repeat(n * 7 % 501)))
            .collect();
        let text = format!("[{}]", records.join(","));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        for number in 0..1500 {
            let found: Found<Record> = find(&file, text.len() as u64, &id(number)).unwrap();
            let layer = "x".repeat(number * 7 % 501);
            assert_eq!(found, Found::Record(Record { id: id(number), layer }));
        }
        assert_eq!(find::<Record>(&file, text.len() as u64, &id(1500)).unwrap(), Found::Nowhere);
    }

    #[test]
    fn a_record_larger_than_a_piece_is_parsed_whole() {
        let layer = "y".repeat(5 << 20);
        let text = format!(r#"[{{"id":"a"}},{{"id":"b","layer":"{layer}"}},{{"id":"c"}}]"#);
        assert_eq!(find_in(&text, "b"), Found::Record(Record { id: "b".to_owned(), layer }));
    }
}

//! Foreign text inside error messages and reports: cut to a length that a person reads.

/// The text, cut to `limit` bytes (with `…`) if it is longer.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or(""))
}

/// The text in quotation marks, with control characters escaped, cut to 80 bytes.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", cut(text, 80))
}

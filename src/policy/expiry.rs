//! When an override ends: a moment, or the last second of a day in UTC.

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, Time, format_description::well_known::Rfc3339};

/// The end of an override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expiry {
    text: String,
    at: OffsetDateTime,
}

impl Expiry {
    /// The moment after which the override is void.
    pub fn at(&self) -> OffsetDateTime {
        self.at
    }
}

impl TryFrom<String> for Expiry {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let at = OffsetDateTime::parse(&text, &Rfc3339).ok().or_else(|| end_of_day(&text));
        match at {
            Some(at) => Ok(Expiry { text, at }),
            None => Err(format!(
                "`{}` is not a time; write a date as 2026-12-31 or a time as 2026-12-31T18:00:00Z",
                text.chars().take(60).collect::<String>()
            )),
        }
    }
}

fn end_of_day(text: &str) -> Option<OffsetDateTime> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next().filter(|y| y.len() == 4)?.parse().ok()?;
    let month: u8 = parts.next().filter(|m| m.len() == 2)?.parse().ok()?;
    let day = parts.next().filter(|d| d.len() == 2)?.parse().ok()?;
    let date = Date::from_calendar_date(year, month.try_into().ok()?, day).ok()?;
    Some(date.with_time(Time::from_hms(23, 59, 59).ok()?).assume_utc())
}

impl From<Expiry> for String {
    fn from(expiry: Expiry) -> Self {
        expiry.text
    }
}

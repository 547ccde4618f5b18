//! The functions of the sprig library that specifications use, by family.
//!
//! Rule: sprig 3.3.0 with the libraries that Node Feature Discovery 0.19 builds it with. A function that panics in Go
//! is an error in a template there and here.

pub mod case;
pub mod convert;
pub mod decimal;
pub mod defaults;
pub mod dicts;
pub mod encoding;
pub mod json;
pub mod lists;
pub mod math;
pub mod reflection;
pub mod regex;
pub mod semver;
pub mod strings;

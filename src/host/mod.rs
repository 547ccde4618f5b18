//! Room `host`: what this machine has, as NFD would see it. It knows nothing of rules or images.

pub mod feature;

pub use feature::{Attributes, Discovery, Feature, FeatureSet, Features};

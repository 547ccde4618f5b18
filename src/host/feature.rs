//! What a host has, in NFD's shapes: a feature is a set of flags, a map of attributes, a list of instances, or
//! several of these under one name (`cpu.cpuid` has flags and attributes).
//!
//! Source of the shapes: NFD `api/nfd/v1alpha1/types.go` (Features). The JSON form of [`FeatureSet`] is that of
//! `nfd export features`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

/// Attribute name to value: one instance, or the attributes of a feature.
pub type Attributes = BTreeMap<String, String>;

/// One feature as discovered. At least one of the three kinds is present; each may be present and empty, which
/// is not the same as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feature {
    /// Names without values.
    pub flags: Option<BTreeSet<String>>,
    /// Names with values.
    pub attributes: Option<Attributes>,
    /// Things of one kind, each with attributes (for example devices).
    pub instances: Option<Vec<Attributes>>,
}

impl Feature {
    /// A feature that is a set of flags.
    pub fn flags<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Feature { flags: Some(names.into_iter().map(Into::into).collect()), ..Feature::default() }
    }

    /// A feature that is a map of attributes.
    pub fn attributes<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let attributes = pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        Feature { attributes: Some(attributes), ..Feature::default() }
    }

    /// A feature that is a list of instances.
    pub fn instances(instances: Vec<Attributes>) -> Self {
        Feature { instances: Some(instances), ..Feature::default() }
    }
}

/// What asking for one feature gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    /// The host has the feature.
    Present(Rc<Feature>),
    /// The host does not have it, or it cannot be read; the reason is for people (and may be empty).
    Absent(String),
}

impl Discovery {
    /// The feature, if present.
    pub fn feature(&self) -> Option<&Feature> {
        match self {
            Discovery::Present(feature) => Some(feature),
            Discovery::Absent(_) => None,
        }
    }
}

/// Anything that can be asked for features by their lower-case name: this host, or features exported elsewhere.
pub trait Features {
    /// Looks the feature up, discovering it if that has not happened yet. Never fails: what cannot be read is
    /// absent, with a reason.
    fn discover(&self, name: &str) -> Discovery;
}

/// Features as plain data, as `export features` writes them and `--features` reads them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureSet {
    /// Flags by feature name.
    #[serde(default)]
    pub flags: BTreeMap<String, FlagElements>,
    /// Attributes by feature name.
    #[serde(default)]
    pub attributes: BTreeMap<String, AttributeElements>,
    /// Instances by feature name.
    #[serde(default)]
    pub instances: BTreeMap<String, InstanceElements>,
}

/// The JSON wrapper of flags: `{"elements": {"AVX": {}}}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FlagElements {
    /// The flags; the values are always empty objects.
    #[serde(default, deserialize_with = "null_is_default")]
    pub elements: BTreeMap<String, Nothing>,
}

/// The JSON wrapper of attributes: `{"elements": {"major": "6"}}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AttributeElements {
    /// Name to value.
    #[serde(default, deserialize_with = "null_is_default")]
    pub elements: Attributes,
}

/// The JSON wrapper of instances: `{"elements": [{"attributes": {"vendor": "8086"}}]}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceElements {
    /// The instances in discovery order.
    #[serde(default, deserialize_with = "null_is_default")]
    pub elements: Vec<InstanceElement>,
}

/// The JSON wrapper of one instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceElement {
    /// Name to value.
    #[serde(default, deserialize_with = "null_is_default")]
    pub attributes: Attributes,
}

/// The empty object that NFD gives each flag as its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

impl FeatureSet {
    /// Adds one discovered feature under `name`.
    pub fn insert(&mut self, name: &str, feature: &Feature) {
        if let Some(flags) = &feature.flags {
            let elements = flags.iter().map(|f| (f.clone(), Nothing {})).collect();
            self.flags.insert(name.to_owned(), FlagElements { elements });
        }
        if let Some(attributes) = &feature.attributes {
            let elements = attributes.clone();
            self.attributes.insert(name.to_owned(), AttributeElements { elements });
        }
        if let Some(instances) = &feature.instances {
            let elements =
                instances.iter().map(|a| InstanceElement { attributes: a.clone() }).collect();
            self.instances.insert(name.to_owned(), InstanceElements { elements });
        }
    }
}

impl Features for FeatureSet {
    fn discover(&self, name: &str) -> Discovery {
        let feature = Feature {
            flags: self.flags.get(name).map(|f| f.elements.keys().cloned().collect()),
            attributes: self.attributes.get(name).map(|a| a.elements.clone()),
            instances: self
                .instances
                .get(name)
                .map(|i| i.elements.iter().map(|e| e.attributes.clone()).collect()),
        };
        if feature == Feature::default() {
            return Discovery::Absent("not in the features file".to_owned());
        }
        Discovery::Present(Rc::new(feature))
    }
}

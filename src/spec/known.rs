//! The names that NFD's feature sources have: features, their kinds, and their elements.
//!
//! For [`super::lint`], which compares what a specification names with what there is. A name that is not here
//! is not wrong (a later NFD may know it), so it costs a warning and nothing else. Source: NFD v0.19, `source/*`.

pub mod flags;

use std::fmt;

/// A version of NFD, as far as specifications care: `v0.<minor>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NfdVersion(pub u32);

impl NfdVersion {
    /// The first version with image compatibility.
    pub const FIRST: NfdVersion = NfdVersion(17);
}

impl fmt::Display for NfdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v0.{}", self.0)
    }
}

/// What a feature consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Names without values.
    Flags,
    /// Names with values.
    Attributes,
    /// Flags, and a few names with values.
    FlagsAndAttributes,
    /// Devices, each with names and values.
    Instances,
}

/// Which elements a feature can have.
#[derive(Debug, Clone, Copy)]
pub enum Elements {
    /// These and no others.
    Closed(&'static [&'static str]),
    /// What the host happens to have: modules, kernel options, labels.
    Open,
    /// `enabled`, and `hugepages-<size>`.
    Hugepages,
    /// The flags of a processor.
    CpuFlags,
}

/// One feature.
#[derive(Debug, Clone, Copy)]
pub struct Feature {
    /// Its full name.
    pub name: &'static str,
    /// What it consists of.
    pub kind: Kind,
    /// Its elements.
    pub elements: Elements,
    /// Elements that every host has that has the feature (for instances: every instance).
    pub always: &'static [&'static str],
    /// Whether every host has the feature.
    pub everywhere: bool,
    /// The first NFD that reports it for image compatibility.
    pub since: NfdVersion,
}

const fn feature(name: &'static str, kind: Kind, elements: Elements) -> Feature {
    Feature { name, kind, elements, always: &[], everywhere: false, since: NfdVersion::FIRST }
}

impl Feature {
    const fn with(self, always: &'static [&'static str]) -> Feature {
        Feature { always, ..self }
    }

    const fn everywhere(self) -> Feature {
        Feature { everywhere: true, ..self }
    }

    const fn since(self, minor: u32) -> Feature {
        Feature { since: NfdVersion(minor), ..self }
    }
}

use Elements::{Closed, CpuFlags, Hugepages, Open};
use Kind::{Attributes, Flags, FlagsAndAttributes, Instances};

/// All features of NFD's sources that image compatibility reads.
pub const FEATURES: &[Feature] = &[
    feature("cpu.cpuid", FlagsAndAttributes, CpuFlags).everywhere(),
    feature("cpu.model", Attributes, Closed(&["vendor_id", "family", "id", "hypervisor"]))
        .with(&["vendor_id", "family", "id"])
        .everywhere(),
    feature("cpu.cstate", Attributes, Closed(&["enabled"])),
    feature("cpu.pstate", Attributes, Closed(&["status", "turbo", "scaling_governor"]))
        .everywhere(),
    feature("cpu.rdt", Attributes, Closed(RDT)).everywhere(),
    feature("cpu.security", Attributes, Closed(SECURITY)).everywhere(),
    feature("cpu.sst", Attributes, Closed(&["bf.enabled"])).everywhere(),
    feature("cpu.topology", Attributes, Closed(&["hardware_multithreading", "socket_count"]))
        .everywhere(),
    feature("cpu.coprocessor", Attributes, Closed(&["nx_gzip"])).everywhere(),
    feature("kernel.version", Attributes, Closed(&["full", "major", "minor", "revision"]))
        .with(&["full"]),
    feature("kernel.config", Attributes, Open),
    feature("kernel.loadedmodule", Flags, Open),
    feature("kernel.enabledmodule", Flags, Open),
    feature("kernel.selinux", Attributes, Closed(&["enabled"])).with(&["enabled"]),
    feature("kernel.kvm", Attributes, Closed(&["enabled"])).with(&["enabled"]).since(19),
    feature("memory.numa", Attributes, Closed(&["is_numa", "node_count"]))
        .with(&["is_numa", "node_count"]),
    feature("memory.swap", Attributes, Closed(&["enabled"])).with(&["enabled"]),
    feature("memory.hugepages", Attributes, Hugepages).with(&["enabled"]).since(18),
    feature("memory.nv", Instances, Closed(&["name", "devtype", "mode"])).with(&["name"]),
    feature("network.device", Instances, Closed(NETWORK_DEVICE)).with(&["name"]),
    feature("network.virtual", Instances, Closed(&["name", "operstate", "speed", "mtu"]))
        .with(&["name"]),
    feature("pci.device", Instances, Closed(PCI)).with(&[
        "class",
        "vendor",
        "device",
        "subsystem_vendor",
        "subsystem_device",
    ]),
    feature(
        "storage.block",
        Instances,
        Closed(&["name", "dax", "rotational", "nr_zones", "zoned"]),
    )
    .with(&["name"]),
    feature("system.name", Attributes, Closed(&["nodename"])).with(&["nodename"]),
    feature("system.osrelease", Attributes, Open),
    feature("system.dmiid", Attributes, Closed(DMI)),
    feature("usb.device", Instances, Closed(&["class", "vendor", "device", "serial"])),
    feature("local.feature", Attributes, Open).since(18),
    feature("local.label", Attributes, Open).since(18),
    feature(MATCHED, Attributes, Open),
];

/// The feature that holds the variables of the rules before.
pub const MATCHED: &str = "rule.matched";

const RDT: &[&str] =
    &["RDTMON", "RDTCMT", "RDTMBM", "RDTL3CA", "RDTL2CA", "RDTMBA", "RDTL3CA_NUM_CLOSID"];

const SECURITY: &[&str] = &[
    "sgx.enabled",
    "sgx.epc",
    "tdx.enabled",
    "tdx.total_keys",
    "tdx.protected",
    "sev.enabled",
    "sev.es.enabled",
    "sev.snp.enabled",
    "sev.asids",
    "sev.encrypted_state_ids",
    "se.enabled",
];

const NETWORK_DEVICE: &[&str] =
    &["name", "operstate", "speed", "sriov_numvfs", "sriov_totalvfs", "mtu"];

const PCI: &[&str] = &[
    "class",
    "vendor",
    "device",
    "subsystem_vendor",
    "subsystem_device",
    "sriov_totalvfs",
    "iommu_group/type",
    "iommu/intel-iommu/version",
];

/// The identifiers of `system.dmiid`: what firmware says of the machine, as far as everyone may read it. Before v0.19
/// NFD reported the first two only.
pub const DMI: &[&str] = &[
    "sys_vendor",
    "product_name",
    "bios_date",
    "bios_vendor",
    "bios_version",
    "board_asset_tag",
    "board_name",
    "board_vendor",
    "board_version",
    "chassis_asset_tag",
    "chassis_type",
    "chassis_vendor",
    "chassis_version",
    "product_family",
    "product_sku",
    "product_version",
];

/// The values of `cpu.model` `vendor_id`.
pub const CPU_VENDORS: &[&str] = &[
    "AMD",
    "Intel",
    "Hygon",
    "VIA",
    "Transmeta",
    "NSC",
    "SiS",
    "RDC",
    "VendorUnknown",
    "Ampere",
    "ARM",
    "Broadcom",
    "Cavium",
    "DEC",
    "Fujitsu",
    "Infineon",
    "Motorola",
    "NVIDIA",
    "AMCC",
    "Qualcomm",
    "Marvell",
    "IBM_S390",
];

/// Modules that no distribution builds with its kernel, so that its configuration says nothing about them.
pub const OUT_OF_TREE_MODULES: &[&str] = &[
    "nvidia",
    "nvidia_drm",
    "nvidia_modeset",
    "nvidia_peermem",
    "nvidia_uvm",
    "gdrdrv",
    "zfs",
    "spl",
    "vboxdrv",
    "openafs",
    "lustre",
    "lnet",
    "knem",
    "xpmem",
    "mst_pciconf",
    "neuron",
    "efa_nv_peermem",
];

/// The kernel options of modules that specifications ask for, where the names are not the same.
const MODULE_OPTIONS: &[(&str, &str)] = &[
    ("br_netfilter", "BRIDGE_NETFILTER"),
    ("btrfs", "BTRFS_FS"),
    ("ceph", "CEPH_FS"),
    ("cifs", "CIFS"),
    ("dm_crypt", "DM_CRYPT"),
    ("dm_thin_pool", "DM_THIN_PROVISIONING"),
    ("fuse", "FUSE_FS"),
    ("ib_uverbs", "INFINIBAND_USER_ACCESS"),
    ("ip6_tables", "IP6_NF_IPTABLES"),
    ("ip_tables", "IP_NF_IPTABLES"),
    ("ip_vs", "IP_VS"),
    ("iscsi_tcp", "ISCSI_TCP"),
    ("kvm", "KVM"),
    ("kvm_amd", "KVM_AMD"),
    ("kvm_intel", "KVM_INTEL"),
    ("loop", "BLK_DEV_LOOP"),
    ("nbd", "BLK_DEV_NBD"),
    ("nf_conntrack", "NF_CONNTRACK"),
    ("nf_tables", "NF_TABLES"),
    ("nfs", "NFS_FS"),
    ("overlay", "OVERLAY_FS"),
    ("rbd", "BLK_DEV_RBD"),
    ("sctp", "IP_SCTP"),
    ("tls", "TLS"),
    ("tun", "TUN"),
    ("uio", "UIO"),
    ("vfio_pci", "VFIO_PCI"),
    ("vhost_net", "VHOST_NET"),
    ("vhost_vsock", "VHOST_VSOCK"),
    ("vxlan", "VXLAN"),
    ("wireguard", "WIREGUARD"),
    ("xfs", "XFS_FS"),
];

/// The kernel option that builds a module, where it is known.
pub fn module_option(module: &str) -> Option<&'static str> {
    MODULE_OPTIONS.iter().find(|(name, _)| *name == module).map(|(_, option)| *option)
}

/// The feature of this name; NFD compares them without regard to case.
pub fn find(name: &str) -> Option<&'static Feature> {
    FEATURES.iter().find(|feature| feature.name.eq_ignore_ascii_case(name))
}

impl Feature {
    /// Whether the feature can have an element of this name, as far as is known.
    pub fn may_have(&self, element: &str) -> bool {
        match self.elements {
            Closed(names) => names.contains(&element),
            Open => true,
            Hugepages => element == "enabled" || element.starts_with("hugepages-"),
            CpuFlags => element == "AVX10_VERSION" || flags::all().any(|flag| flag == element),
        }
    }

    /// Whether an element of this name is a flag, which has no value.
    pub fn is_flag(&self, element: &str) -> bool {
        match self.kind {
            Flags => true,
            FlagsAndAttributes => element != "AVX10_VERSION",
            Attributes | Instances => false,
        }
    }

    /// The known name that a mistyped one most resembles.
    pub fn nearest(&self, element: &str) -> Option<&'static str> {
        match self.elements {
            Closed(names) => super::decode::nearest(element, names),
            CpuFlags => flags::nfd_name(element).or_else(|| {
                let all: Vec<_> = flags::all().collect();
                super::decode::nearest(element, &all)
            }),
            Open | Hugepages => None,
        }
    }
}

/// The first NFD that reports an element.
pub fn element_since(feature: &Feature, element: &str) -> NfdVersion {
    let minor = match (feature.name, element) {
        ("cpu.cpuid", name) if name.starts_with("X86_64_V") => 19,
        ("cpu.model", "hypervisor") => 19,
        ("system.dmiid", name) if !matches!(name, "sys_vendor" | "product_name") => 19,
        ("network.device" | "network.virtual", "mtu") => 18,
        _ => 17,
    };
    feature.since.max(NfdVersion(minor))
}

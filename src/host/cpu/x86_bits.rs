//! x86-64: which bit of which CPUID leaf is which flag. Nothing but tables.
//!
//! Names and conditions are those of NFD v0.19, which takes them from github.com/klauspost/cpuid/v2 v2.4 (`support()`
//! in cpuid.go); bits by Intel's Software Developer's Manual, volume 2A, CPUID, and AMD's Programmer's Manual,
//! volume 3, appendix E. Differences are marked and are in docs/nfd-differences.md.

use super::cpuid::Registers;

/// Picks one of the four registers.
pub(super) type Register = fn(&Registers) -> u32;

/// What else must hold for a group of bits to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Nothing.
    Always,
    /// A flag that an earlier group has set.
    Flag(&'static str),
    /// The kernel saves the registers of AVX-512 (XCR0 bits 1, 2, 5, 6, 7).
    Avx512State,
    /// The vendor is AMD.
    Amd,
}

/// Bits of one register.
pub(super) struct Group {
    pub(super) leaf: u32,
    pub(super) subleaf: u32,
    pub(super) register: Register,
    pub(super) gate: Gate,
    pub(super) bits: &'static [(u8, &'static str)],
}

const EAX: Register = |registers| registers.eax;
const EBX: Register = |registers| registers.ebx;
const ECX: Register = |registers| registers.ecx;
const EDX: Register = |registers| registers.edx;

const fn group(
    leaf: u32,
    subleaf: u32,
    register: Register,
    gate: Gate,
    bits: &'static [(u8, &'static str)],
) -> Group {
    Group { leaf, subleaf, register, gate, bits }
}

/// Leaf 1; it decides about AVX, which later groups need. Two oddities are kept, since a rule must mean the same
/// everywhere: bit 25 of EDX is FXSROPT too, and XSAVE and OSXSAVE are set by bit 0 of ECX, SSE3, because the library
/// writes `c&1<<26`, which in Go is `(c&1)<<26`. They differ from the truth on old processors (K10, first Atoms) and in
/// virtual machines that hide XSAVE; what depends on the kernel's help (AVX and up) is decided by the right bits.
#[rustfmt::skip]
pub(super) const BASIC: [Group; 2] = [
    group(0x1, 0, EDX, Gate::Always, &[
        (0, "X87"), (8, "CMPXCHG8"), (11, "SYSEE"), (15, "CMOV"), (23, "MMX"), (24, "FXSR"),
        (25, "FXSROPT"), (25, "SSE"), (26, "SSE2"),
    ]),
    group(0x1, 0, ECX, Gate::Always, &[
        (0, "SSE3"), (1, "CLMUL"), (5, "VMX"), (9, "SSSE3"), (13, "CX16"), (19, "SSE4"),
        (20, "SSE42"), (22, "MOVBE"), (23, "POPCNT"), (25, "AESNI"), (0, "XSAVE"), (0, "OSXSAVE"),
        (29, "F16C"), (30, "RDRAND"), (31, "HYPERVISOR"),
    ]),
];

/// All other leaves, in an order in which each gate's flag comes first.
#[rustfmt::skip]
pub(super) const EXTENDED: [Group; 29] = [
    group(0x7, 0, EBX, Gate::Always, &[
        (2, "SGX"), (3, "BMI1"), (4, "HLE"), (9, "ERMS"), (11, "RTM"), (14, "MPX"), (18, "RDSEED"),
        (19, "ADX"), (29, "SHA"),
    ]),
    group(0x7, 0, EBX, Gate::Flag("AVX"), &[(5, "AVX2")]),
    group(0x7, 0, EBX, Gate::Flag("BMI1"), &[(8, "BMI2")]),
    group(0x7, 0, ECX, Gate::Always, &[
        (5, "WAITPKG"), (7, "CETSS"), (8, "GFNI"), (9, "VAES"), (10, "VPCLMULQDQ"), (13, "TME"),
        (23, "KEYLOCKER"), (25, "CLDEMOTE"), (27, "MOVDIRI"), (28, "MOVDIR64B"), (29, "ENQCMD"),
        (30, "SGXLC"),
    ]),
    group(0x7, 0, EDX, Gate::Always, &[
        (4, "FSRM"), (9, "SRBDS_CTRL"), (10, "MD_CLEAR"), (11, "RTM_ALWAYS_ABORT"),
        (14, "SERIALIZE"), (15, "HYBRID_CPU"), (16, "TSXLDTRK"), (18, "PCONFIG"), (20, "CETIBT"),
        (26, "IBPB"), (27, "STIBP"), (28, "FLUSH_L1D"), (29, "IA32_ARCH_CAP"),
        (30, "IA32_CORE_CAP"), (31, "SPEC_CTRL_SSBD"),
    ]),
    group(0x7, 1, EAX, Gate::Always, &[
        (1, "SM3_X86"), (2, "SM4_X86"), (7, "CMPCCXADD"), (10, "MOVSB_ZL"), (11, "STOSB_SHORT"),
        (12, "CMPSB_SCADBS_SHORT"), (17, "FRED"), (22, "HRESET"), (23, "AVXIFMA"), (26, "LAM"),
    ]),
    group(0x7, 1, EAX, Gate::Flag("AVX"), &[(4, "AVXVNNI")]),
    group(0x7, 1, EDX, Gate::Always, &[
        (4, "AVXVNNIINT8"), (5, "AVXNECONVERT"), (6, "AMXTRANSPOSE"), (7, "AMXTF32"),
        (8, "AMXCOMPLEX"), (10, "AVXVNNIINT16"), (14, "PREFETCHI"), (19, "AVX10"), (21, "APX_F"),
    ]),
    group(0x7, 0, EBX, Gate::Avx512State, &[
        (16, "AVX512F"), (17, "AVX512DQ"), (21, "AVX512IFMA"), (26, "AVX512PF"), (27, "AVX512ER"),
        (28, "AVX512CD"), (30, "AVX512BW"), (31, "AVX512VL"),
    ]),
    group(0x7, 0, ECX, Gate::Avx512State, &[
        (1, "AVX512VBMI"), (6, "AVX512VBMI2"), (11, "AVX512VNNI"), (12, "AVX512BITALG"),
        (14, "AVX512VPOPCNTDQ"),
    ]),
    group(0x7, 0, EDX, Gate::Avx512State, &[
        (8, "AVX512VP2INTERSECT"), (22, "AMXBF16"), (23, "AVX512FP16"), (24, "AMXTILE"),
        (25, "AMXINT8"),
    ]),
    group(0x7, 1, EAX, Gate::Avx512State, &[
        (5, "AVX512BF16"), (19, "WRMSRNS"), (21, "AMXFP16"), (27, "MSRLIST"),
    ]),
    // NFD reads AMXFP8 from leaf 7, ECX bit 3, which is PKU. This is where Intel has it.
    group(0x1e, 1, EAX, Gate::Flag("AMXTILE"), &[(4, "AMXFP8")]),
    group(0x7, 2, EDX, Gate::Always, &[
        (0, "PSFD"), (1, "IDPRED_CTRL"), (2, "RRSBA_CTRL"), (4, "BHI_CTRL"), (5, "MCDT_NO"),
    ]),
    group(0xd, 1, EAX, Gate::Flag("XSAVE"), &[
        (0, "XSAVEOPT"), (1, "XSAVEC"), (2, "XGETBV1"), (3, "XSAVES"),
    ]),
    group(0x12, 0, EAX, Gate::Flag("SGX"), &[(12, "SGXPQC")]),
    group(0x24, 0, EBX, Gate::Flag("AVX10"), &[
        (16, "AVX10_128"), (17, "AVX10_256"), (18, "AVX10_512"),
    ]),
    group(0x8000_0001, 0, ECX, Gate::Always, &[
        (0, "LAHF"), (2, "SVM"), (5, "LZCNT"), (5, "POPCNT"), (6, "SSE4A"), (10, "IBS"),
        (22, "TOPEXT"),
    ]),
    group(0x8000_0001, 0, ECX, Gate::Flag("AVX"), &[(11, "XOP"), (16, "FMA4")]),
    group(0x8000_0001, 0, EDX, Gate::Always, &[
        (11, "SYSCALL"), (20, "NX"), (22, "MMXEXT"), (23, "MMX"), (24, "FXSR"), (25, "FXSROPT"),
        (27, "RDTSCP"), (30, "AMD3DNOWEXT"), (31, "AMD3DNOW"),
    ]),
    group(0x8000_0007, 0, EBX, Gate::Always, &[(0, "MCAOVERFLOW"), (1, "SUCCOR"), (2, "HWA")]),
    group(0x8000_0007, 0, EDX, Gate::Always, &[(9, "CPBOOST")]),
    group(0x8000_0008, 0, EBX, Gate::Always, &[
        (0, "CLZERO"), (1, "MSRIRC"), (3, "INVLPGB"), (4, "RDPRU"), (8, "MCOMMIT"), (9, "WBNOINVD"),
        (12, "IBPB"), (13, "INT_WBINVD"), (14, "IBRS"), (15, "STIBP"), (17, "STIBP_ALWAYSON"),
        (18, "IBRS_PREFERRED"), (19, "IBRS_PROVIDES_SMP"), (20, "EFER_LMSLE_UNS"),
        (21, "TLB_FLUSH_NESTED"), (23, "PPIN"), (24, "SPEC_CTRL_SSBD"), (27, "CPPC"), (28, "PSFD"),
    ]),
    group(0x8000_000a, 0, EDX, Gate::Flag("SVM"), &[
        (0, "SVMNP"), (1, "LBRVIRT"), (2, "SVML"), (3, "NRIPS"), (4, "TSCRATEMSR"),
        (5, "VMCBCLEAN"), (6, "SVMFBASID"), (7, "SVMDA"), (10, "SVMPF"), (12, "SVMPFT"),
    ]),
    group(0x8000_001a, 0, EAX, Gate::Always, &[(0, "FP128"), (1, "MOVU"), (2, "FP256")]),
    group(0x8000_001b, 0, EAX, Gate::Flag("IBS"), &[
        (0, "IBSFFV"), (1, "IBSFETCHSAM"), (2, "IBSOPSAM"), (3, "IBSRDWROPCNT"), (4, "IBSOPCNT"),
        (5, "IBSBRNTRGT"), (6, "IBSOPCNTEXT"), (7, "IBSRIPINVALIDCHK"), (8, "IBS_OPFUSE"),
        (9, "IBS_FETCH_CTLX"), (10, "IBS_OPDATA4"), (11, "IBS_ZEN4"),
    ]),
    group(0x8000_001f, 0, EAX, Gate::Amd, &[
        (0, "SME"), (1, "SEV"), (2, "MSR_PAGEFLUSH"), (3, "SEV_ES"), (4, "SEV_SNP"), (5, "VMPL"),
        (10, "SME_COHERENT"), (11, "SEV_64BIT"), (12, "SEV_RESTRICTED"), (13, "SEV_ALTERNATIVE"),
        (14, "SEV_DEBUGSWAP"), (15, "IBS_PREVENTHOST"), (16, "VTE"), (24, "VMSA_REGPROT"),
    ]),
    group(0x8000_0021, 0, EAX, Gate::Amd, &[
        (5, "TSA_VERW_CLEAR"), (23, "AVX512BMM"), (27, "SBPB"), (28, "IBPB_BRTYPE"),
        (29, "SRSO_NO"), (30, "SRSO_USER_KERNEL_NO"), (31, "SRSO_MSR_FIX"),
    ]),
    group(0x8000_0021, 0, ECX, Gate::Amd, &[(1, "TSA_L1_NO"), (2, "TSA_SQ_NO")]),
];

/// What the x86-64 psABI demands of each level beyond the one below it; `SYSEE` or `SYSCALL` besides.
pub(super) const LEVELS: [(&str, &[&str]); 4] = [
    ("X86_64_V1", &["CMOV", "CMPXCHG8", "X87", "FXSR", "MMX", "SSE", "SSE2"]),
    ("X86_64_V2", &["CX16", "LAHF", "POPCNT", "SSE3", "SSE4", "SSE42", "SSSE3"]),
    ("X86_64_V3", &["AVX", "AVX2", "BMI1", "BMI2", "F16C", "FMA3", "LZCNT", "MOVBE", "OSXSAVE"]),
    ("X86_64_V4", &["AVX512F", "AVX512BW", "AVX512CD", "AVX512DQ", "AVX512VL"]),
];

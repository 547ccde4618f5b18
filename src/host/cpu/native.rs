//! The CPUID and XGETBV instructions of the processor that executes this program. The one place in this room with
//! `unsafe`: there is no file that says what XGETBV says, and CPUID is an unsafe intrinsic in older compilers.

#![allow(unsafe_code)]

/// The four result registers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

/// Executes CPUID. In a virtual machine this leaves the guest and takes up to 70 µs.
#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe, reason = "a safe function since Rust 1.94")]
pub(super) fn cpuid(leaf: u32, subleaf: u32) -> Registers {
    // SAFETY: every 64 bit x86 processor has CPUID, and it changes nothing but its four result registers.
    let result = unsafe { std::arch::x86_64::__cpuid_count(leaf, subleaf) };
    Registers { eax: result.eax, ebx: result.ebx, ecx: result.ecx, edx: result.edx }
}

/// Reads XCR0, the register states that the kernel saves. Zero if the kernel has not enabled XSAVE, which
/// CPUID says in leaf 1, ECX bit 27.
#[cfg(target_arch = "x86_64")]
pub(super) fn xcr0(leaf_1: Registers) -> u64 {
    const OSXSAVE: u32 = 1 << 27;
    if leaf_1.ecx & OSXSAVE == 0 {
        return 0;
    }
    // SAFETY: OSXSAVE says that XGETBV exists and is enabled; register 0 always exists then.
    unsafe { xgetbv_0() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "xsave")]
unsafe fn xgetbv_0() -> u64 {
    // SAFETY: as for the caller.
    unsafe { std::arch::x86_64::_xgetbv(0) }
}

/// No such instruction here.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn cpuid(_leaf: u32, _subleaf: u32) -> Registers {
    Registers::default()
}

/// No such instruction here.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn xcr0(_leaf_1: Registers) -> u64 {
    0
}

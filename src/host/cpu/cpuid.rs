//! What the CPUID instruction says: executed once for each leaf that is asked for, or read from a record.
//!
//! A record is text, `.imgcompat/cpuid` in a recorded host, one line for each leaf and subleaf in hexadecimal, and one
//! line for the register XCR0. This is what `cpuid -1 -r` prints, so its output can be used as it is:
//! ```text
//! 0x00000007 0x00: eax=0x00000001 ebx=0x219c97a9 ecx=0x0040069c edx=0x00000008
//! xcr0=0x00000000000000e7
//! ```
//! Leaves that are not recorded are zero. Without a line for XCR0 the states that leaf 0xD offers count as enabled,
//! provided that the kernel uses XSAVE at all (leaf 1, ECX bit 27). Lines that have neither form are ignored.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

pub use super::native::Registers;
use super::{Absence, Architecture, HostRoot, native};

type Leaves = BTreeMap<(u32, u32), Registers>;

/// The instruction, with its answers kept: it is slow in virtual machines, some 30 to 70 µs each time.
#[derive(Debug)]
pub struct Cpuid {
    known: RefCell<Leaves>,
    source: Source,
    executed: Cell<bool>,
}

#[derive(Debug)]
enum Source {
    Instruction,
    Record { xcr0: Option<u64> },
}

impl Cpuid {
    /// The instruction of the host at `root`: recorded for a recorded host, else the real one.
    /// `kept` is what it said before in this boot.
    pub(super) fn of(
        root: &HostRoot,
        architecture: &Architecture,
        kept: Option<&str>,
    ) -> Result<Self, Absence> {
        if *architecture != Architecture::X86_64 {
            return Err(Absence::Because("this architecture has no CPUID instruction".to_owned()));
        }
        if root.is_recorded() {
            return Ok(Cpuid::from_record(&root.read_text("/.imgcompat/cpuid")?));
        }
        let known = kept.unwrap_or_default().lines().filter_map(parse_leaf).collect();
        let (known, executed) = (RefCell::new(known), Cell::new(false));
        Ok(Cpuid { known, source: Source::Instruction, executed })
    }

    /// Everything it said, as a record, if the instruction had to be executed for it.
    pub(crate) fn news(&self) -> Option<String> {
        let line = |((leaf, subleaf), r): (&(u32, u32), &Registers)| {
            let Registers { eax, ebx, ecx, edx } = r;
            format!("{leaf:#x} {subleaf:#x}: eax={eax:#x} ebx={ebx:#x} ecx={ecx:#x} edx={edx:#x}\n")
        };
        self.executed.get().then(|| self.known.borrow().iter().map(line).collect())
    }

    /// Reads a record.
    pub fn from_record(text: &str) -> Self {
        let leaves: Leaves = text.lines().filter_map(parse_leaf).collect();
        let xcr0 = text.lines().find_map(|line| hexadecimal(line.trim().strip_prefix("xcr0=")?));
        let source = Source::Record { xcr0 };
        Cpuid { known: RefCell::new(leaves), source, executed: Cell::new(false) }
    }

    /// The registers for a leaf; zero for one above the highest that the processor has. (A real processor answers
    /// with its last leaf then, which means nothing.)
    pub fn leaf(&self, leaf: u32, subleaf: u32) -> Registers {
        let class = leaf & 0xffff_0000;
        if leaf == class || leaf <= self.ask(class, 0).eax {
            self.ask(leaf, subleaf)
        } else {
            Registers::default()
        }
    }

    /// The register states that the kernel saves for processes; the low half of XCR0.
    pub fn xcr0(&self) -> u32 {
        const OSXSAVE: u32 = 1 << 27;
        let leaf_1 = self.leaf(1, 0);
        let states = match self.source {
            Source::Instruction => native::xcr0(leaf_1),
            Source::Record { xcr0: Some(states) } => states,
            Source::Record { xcr0: None } if leaf_1.ecx & OSXSAVE == 0 => 0,
            Source::Record { xcr0: None } => u64::from(self.leaf(0xd, 0).eax),
        };
        u32::try_from(states & 0xffff_ffff).unwrap_or_default()
    }

    fn ask(&self, leaf: u32, subleaf: u32) -> Registers {
        let known = self.known.borrow().get(&(leaf, subleaf)).copied();
        match (known, &self.source) {
            (Some(registers), _) => registers,
            (None, Source::Record { .. }) => Registers::default(),
            (None, Source::Instruction) => {
                let registers = native::cpuid(leaf, subleaf);
                self.known.borrow_mut().insert((leaf, subleaf), registers);
                self.executed.set(true);
                registers
            }
        }
    }
}

fn parse_leaf(line: &str) -> Option<((u32, u32), Registers)> {
    let (place, registers) = line.split_once(':')?;
    let mut place = place.split_whitespace();
    let leaf = hexadecimal(place.next()?)?;
    let subleaf = place.next().map_or(Some(0), hexadecimal)?;
    let register = |name: &str| {
        let value = registers.split_whitespace().find_map(|word| word.strip_prefix(name))?;
        u32::try_from(hexadecimal(value.strip_prefix('=')?)?).ok()
    };
    let registers = Registers {
        eax: register("eax")?,
        ebx: register("ebx")?,
        ecx: register("ecx")?,
        edx: register("edx")?,
    };
    Some(((leaf.try_into().ok()?, subleaf.try_into().ok()?), registers))
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn what_was_kept_is_not_asked_again_and_what_is_new_is_told() {
        let of = |kept| Cpuid::of(&HostRoot::local(), &Architecture::X86_64, kept).unwrap();
        let first = of(None);
        let leaf_1 = first.leaf(1, 0);
        let record = first.news().unwrap();
        let second = of(Some(&record));
        assert_eq!(second.leaf(1, 0).edx, leaf_1.edx);
        assert_eq!(second.news(), None);
        second.leaf(0x8000_0001, 0);
        assert!(second.news().is_some_and(|news| news.len() > record.len()));
    }

    #[test]
    fn a_record_is_read_line_by_line() {
        let cpuid = Cpuid::from_record(
            "CPU 0:\n   0x00000000 0x00: eax=0x00000007 ebx=0x1 ecx=0x2 edx=0x3\n\
             0x00000007 0x01: eax=0x0000000a ebx=0x0 ecx=0x0 edx=0xffffffff\n\
             0x00000009 0x00: eax=0x1 ebx=0x1 ecx=0x1 edx=0x1\nxcr0=0xe7\nnonsense: eax=1\n",
        );
        assert_eq!(cpuid.leaf(0, 0), Registers { eax: 7, ebx: 1, ecx: 2, edx: 3 });
        assert_eq!(cpuid.leaf(7, 1).edx, u32::MAX);
        assert_eq!(cpuid.leaf(7, 0), Registers::default());
        assert_eq!(cpuid.leaf(9, 0), Registers::default(), "above the highest leaf");
        assert_eq!(cpuid.xcr0(), 0xe7);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn this_processor_has_what_its_architecture_demands() {
        let cpuid = Cpuid::of(&HostRoot::local(), &Architecture::X86_64, None).unwrap();
        const SSE2: u32 = 1 << 26;
        assert_ne!(cpuid.leaf(1, 0).edx & SSE2, 0);
        assert_eq!(cpuid.xcr0() & 6 == 6, std::arch::is_x86_feature_detected!("avx"));
        assert_eq!(cpuid.leaf(0xffff, 0), Registers::default());
    }

    proptest! {
        #[test]
        fn rubbish_does_no_harm(text in ".*|(0x[0-9a-f]{1,20} 0x0: eax=0x[0-9a-f]{0,12} ebx=0x1\n)*") {
            Cpuid::from_record(&text).leaf(7, 0);
        }
    }
}

// Runs the reference reader over every recorded processor and writes what it was told and what it concluded.
// README.md beside this file says how to use it. It is a test of package cpuid only because the reader's three
// instructions can be replaced from inside the package alone; mockCPU is that package's own (mockcpu_test.go).

package cpuid

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
)

// Every leaf and subleaf that the reference or imgcompat looks at.
var places = []struct{ leaf, subleaves uint32 }{
	{0x0, 1}, {0x1, 1}, {0x4, 1}, {0x7, 3}, {0xa, 1}, {0xb, 1}, {0xd, 2}, {0x12, 10}, {0x19, 1}, {0x1e, 2}, {0x21, 1},
	{0x24, 1}, {0x40000000, 1}, {0x4000000c, 1}, {0x80000000, 1}, {0x80000001, 1}, {0x80000007, 1}, {0x80000008, 1},
	{0x8000000a, 1}, {0x8000001a, 1}, {0x8000001b, 1}, {0x8000001e, 1}, {0x8000001f, 1}, {0x80000021, 1},
}

func TestOracle(t *testing.T) {
	out, err := os.Create(os.Getenv("ORACLE_OUT"))
	if err != nil {
		t.Skip("ORACLE_OUT does not name a file to write:", err)
	}
	defer out.Close()
	dumps, err := zip.OpenReader("testdata/cpuid_data.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer dumps.Close()
	sort.Slice(dumps.File, func(i, j int) bool { return dumps.File[i].Name < dumps.File[j].Name })
	for _, file := range dumps.File {
		if text, ok := one(t, file); ok {
			fmt.Fprintf(out, "## %s\n%s", filepath.Base(file.Name), text)
		}
	}
}

func one(t *testing.T, file *zip.File) (text string, ok bool) {
	reader, err := file.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	restore := mockCPU(content)
	defer restore()
	// A dump that lacks a leaf which its processor must have makes mockCPU panic.
	defer func() {
		if why := recover(); why != nil {
			t.Logf("%s: left out: %.60v", file.Name, why)
			ok = false
		}
	}()
	Detect()
	return record() + conclusions(), true
}

func record() string {
	var text strings.Builder
	top := map[uint32]uint32{0: maxFunctionID(), 0x80000000: maxExtendedFunction(), 0x40000000: 0x4000000c}
	for _, place := range places {
		if place.leaf > top[place.leaf&0xffff0000] {
			continue
		}
		for subleaf := uint32(0); subleaf < place.subleaves; subleaf++ {
			ask := func() (a, b, c, d uint32) { return cpuidex(place.leaf, subleaf) }
			if subleaf == 0 {
				ask = func() (a, b, c, d uint32) { return cpuid(place.leaf) }
			}
			a, b, c, d := ask()
			if a|b|c|d != 0 {
				fmt.Fprintf(&text, "0x%08x 0x%02x: eax=0x%08x ebx=0x%08x ecx=0x%08x edx=0x%08x\n", place.leaf, subleaf, a, b, c, d)
			}
		}
	}
	return text.String() + "xcr0=0xffffffff\n"
}

func conclusions() string {
	flags := CPU.FeatureSet()
	for level := 1; level <= CPU.X64Level(); level++ {
		flags = append(flags, fmt.Sprintf("X86_64_V%d", level))
	}
	sort.Strings(flags)
	epc := uint64(0)
	for _, section := range CPU.SGX.EPCSections {
		epc += section.EPCSize
	}
	return fmt.Sprintf("= vendor_id %s\n= family %d\n= id %d\n= hypervisor %s\n= avx10 %d\n= sgx.epc %d\n= flags %s\n",
		CPU.VendorID, CPU.Family, CPU.Model, hypervisor(), CPU.AVX10Level, epc, strings.Join(flags, " "))
}

// As NFD's source/cpu/cpu.go names it.
func hypervisor() string {
	if !CPU.VM() {
		return "none"
	}
	if CPU.HypervisorVendorID != VendorUnknown {
		return strings.ToLower(CPU.HypervisorVendorID.String())
	}
	if clean := regexp.MustCompile("[^-A-Za-z0-9_.]+").ReplaceAllString(CPU.HypervisorVendorString, "_"); clean != "" {
		return clean
	}
	return "unknown"
}

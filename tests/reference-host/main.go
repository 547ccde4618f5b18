// The reference for host facts: NFD's own command line tool, for tests/nfd_host.rs.
//
//	reference-host features|labels           this machine, as `nfd export` prints it
//	reference-host features|labels DIRECTORY a recorded host, as far as NFD reads it below a prefix
package main

import (
	"os"
	"path/filepath"

	"sigs.k8s.io/node-feature-discovery/cmd/nfd/subcmd"
	"sigs.k8s.io/node-feature-discovery/pkg/utils/hostpath"
)

func main() {
	what := os.Args[1]
	if len(os.Args) > 2 {
		part := func(name string) hostpath.HostDir { return hostpath.HostDir(filepath.Join(os.Args[2], name)) }
		hostpath.BootDir, hostpath.EtcDir, hostpath.LibDir = part("boot"), part("etc"), part("lib")
		hostpath.ProcDir, hostpath.SysfsDir, hostpath.UsrDir = part("proc"), part("sys"), part("usr")
	}
	os.Args = []string{"nfd", "export", what}
	subcmd.Execute()
}

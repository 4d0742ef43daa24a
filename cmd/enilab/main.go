// Command enilab rebuilds, on one Linux machine, how AWS Lambda connects functions to customer VPCs.
package main

import (
	"cmp"
	"os"

	"enilab/sandbox"
)

// version is set when the program is built.
var version = "devel"

func main() {
	if len(os.Args) > 1 && os.Args[1] == sandbox.InitArg {
		sandbox.Init() // the first moments of an execution environment; it does not return
	}
	// Debian keeps iptables where an ordinary user's shell does not look.
	path := cmp.Or(os.Getenv("PATH"), "/usr/local/sbin:/usr/local/bin:/usr/bin:/bin") + ":/usr/sbin:/sbin"
	os.Setenv("PATH", path) //nolint:errcheck // fails for bad names only
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

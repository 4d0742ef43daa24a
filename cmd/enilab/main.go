// Command enilab rebuilds, on one Linux machine, how AWS Lambda connects functions to customer VPCs.
package main

import (
	"cmp"
	"context"
	"os"
	"os/signal"

	"enilab/internal/program"
	"enilab/internal/realm"
	"enilab/sandbox"

	"golang.org/x/term"
)

// version is set when the program is built.
var version = "devel"

func main() {
	program.SetName()
	if len(os.Args) > 1 && os.Args[1] == sandbox.InitArg {
		sandbox.Init() // the first moments of an execution environment; it does not return
	}
	// Debian keeps iptables where an ordinary user's shell does not look.
	path := cmp.Or(os.Getenv("PATH"), "/usr/local/sbin:/usr/local/bin:/usr/bin:/bin") + ":/usr/sbin:/sbin"
	os.Setenv("PATH", path) //nolint:errcheck // fails for bad names only
	ctx, cancel := context.WithCancelCause(context.Background())
	cancelOnSignal(cancel)
	os.Exit(run(ctx, os.Args[1:], streams{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, env: readEnvironment(),
		outTerminal: term.IsTerminal(int(os.Stdout.Fd())), terminal: term.IsTerminal(int(os.Stderr.Fd())),
	}))
}

// cancelOnSignal has the first signal cancel, and the others do nothing here: whoever waits may act on them.
func cancelOnSignal(cancel context.CancelCauseFunc) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, realm.Interrupts()...)
	go func() {
		<-signals
		cancel(errInterrupted)
	}()
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"sync"

	"enilab/internal/plain"
	"enilab/internal/realm"
	"enilab/internal/spelling"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes. They are an API.
const (
	exitOK           = 0
	exitFailed       = 1
	exitUsage        = 2
	exitPrecondition = 3 // rights or kernel features; see doctor
	exitCheck        = 4 // a check has found something
	exitInterrupted  = 130
)

// exitError is an error with the exit code that it stands for.
type exitError struct {
	code int
	err  error // nil: everything has been said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// errInterrupted is the cause of contexts that a signal has ended.
var errInterrupted = errors.New("interrupted")

// streams are what a verb reads and writes, and what it is told of the world outside. Verbs ask nothing else for them, so
// that a test can call each in process.
type streams struct {
	in          io.Reader
	out, err    io.Writer
	outTerminal bool // out is one
	terminal    bool // err is one: somebody watches long work
	env         environment
}

// guard has terminals get plain text: what functions, servers and clients have written passes through many hands on its way there.
// A file or a pipe gets it as it came, as of 'docker logs' and 'kubectl logs': it is for programs.
func (s *streams) guard() (end func()) {
	var guards []*plain.Writer
	for _, to := range []struct {
		terminal bool
		w        *io.Writer
	}{{s.outTerminal, &s.out}, {s.terminal, &s.err}} {
		if to.terminal {
			g := &plain.Writer{To: *to.w}
			guards, *to.w = append(guards, g), g
		}
	}
	return func() {
		for _, g := range guards {
			_ = g.Close() // half a character, which nobody misses
		}
	}
}

// direct is a stream without its guard and its memory: for another process of this program, which has its own, and for lines that
// this program writes over itself.
func direct(w io.Writer) io.Writer {
	if g, ok := w.(*plain.Writer); ok {
		w = g.To
	}
	if o, ok := w.(*output); ok {
		w = o.to
	}
	return w
}

// output is standard output, and remembers what it could not take: a verb whose answer is lost has failed, whether or not it looks.
type output struct {
	to io.Writer

	mu   sync.Mutex
	lost error // the first
}

// Write writes, and returns what went wrong as it came.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.lost = cmp.Or(o.lost, err)
	}
	return n, err
}

// judge is the error of a verb that has written here: what was lost is said once.
func (o *output) judge(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	why := o.lost // the same of every write
	if path := (*fs.PathError)(nil); errors.As(why, &path) {
		why = path.Err
	}
	switch silent := new(exitError); {
	case why == nil || errors.Is(err, why):
		return err
	case err == nil:
		return o.lost
	case errors.As(err, &silent) && silent.err == nil: // all has been said, to nobody
		return &exitError{silent.code, o.lost}
	}
	return errors.Join(err, o.lost)
}

// run is the program: it takes arguments and streams and returns the exit code. A context that ends with the cause
// errInterrupted interrupts it.
func run(ctx context.Context, args []string, s streams) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &output{to: s.out}
	s.out = out
	defer s.guard()()
	var root *cobra.Command
	inside := len(args) > 0 && args[0] == realm.Arg
	if inside {
		realm.Watch(func() { cancel(errInterrupted) })
		root = insideCommand(s)
		args = args[1:]
	} else {
		root = rootCommand(s)
	}
	root.SetArgs(args)
	err := out.judge(root.ExecuteContext(ctx))
	if err == nil {
		return exitOK
	}
	code, say := exitFailed, err
	if e := new(exitError); errors.As(err, &e) {
		code = e.code
		if e.err == nil && err.Error() == e.Error() { // nothing else went wrong
			say = nil
		}
	}
	switch {
	case errors.Is(err, errInterrupted), errors.Is(context.Cause(ctx), errInterrupted), code == exitInterrupted:
		code, say = exitInterrupted, errInterrupted
		if inside {
			say = nil // the outside says it
		}
	case isPrecondition(err):
		code = exitPrecondition
	}
	if say != nil {
		fmt.Fprintf(s.err, "enilab: %v\n", say)
	}
	return code
}

// isPrecondition tells whether an error is of what this machine lacks: here, or where a keeper was to start.
func isPrecondition(err error) bool {
	ended := new(realm.EndedError)
	return errors.Is(err, realm.ErrNoRights) || errors.Is(err, realm.ErrChroot) || errors.As(err, &ended) && ended.Code == exitPrecondition
}

func rootCommand(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "enilab",
		Short: "How AWS Lambda connects functions to VPCs, rebuilt out of real kernel objects",
		Long: `enilab rebuilds, on one Linux machine and out of real kernel objects, how AWS Lambda
connects functions to customer VPCs: the legacy way (one network interface in the
customer's subnet for every execution environment, made while the cold start waits)
and the shared way (one Hyperplane ENI per subnet and security-group set, made ahead
of time, reached through a tunnel and translated).

Start with "enilab doctor", then "enilab demo".`,
		SilenceUsage: true, SilenceErrors: true, SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknown(cmd, args[0])
			}
			return nil
		},
		PersistentPreRunE: noEmptyFlags,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w%s; see '%s --help'", inWords(err), nearestFlag(cmd, err), cmd.CommandPath())
	})
	root.AddCommand(demoCommand(s), compareCommand(s), benchCommand(s), rolloutCommand(s), reportCommand(s), doctorCommand(s), versionCommand(), whoamiCommand())
	root.AddCommand(upCommand(s), downCommand(s), validateCommand(s), listCommand(s), envCommand(s), invokeCommand(s), inspectCommand(s), checkCommand(s), modeCommand(s))
	root.AddCommand(execCommand(s), shellCommand(s), eventsCommand(s), logsCommand(s), gcCommand(s))
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	strict(root) // after the streams: cobra's completion takes them as it is made
	return root
}

// strict has cobra's own commands refuse what they do not know, as ours do.
func strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if at, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return unknown(at, args[len(args)-max(len(rest), 1)])
				}
				return nil
			}
		case "completion":
			c.Args = root.Args
			c.RunE = func(*cobra.Command, []string) error {
				return usage("give the shell that is to complete: bash, zsh, fish or powershell; see 'enilab completion --help'")
			}
			for _, shell := range c.Commands() {
				shell.Args = noArgs
			}
		}
	}
}

// nearestFlag asks whether a flag that is not there was meant to be another; empty if none is near.
func nearestFlag(cmd *cobra.Command, err error) string {
	missing := new(pflag.NotExistError)
	if !errors.As(err, &missing) {
		return ""
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := spelling.Nearest(missing.GetSpecifiedName(), names); near != "" {
		return fmt.Sprintf("; did you mean --%s?", near)
	}
	return ""
}

// kindsOfFlags are what flags of a type take.
var kindsOfFlags = map[string]string{
	"bool":        "true or false",
	"duration":    "a time with its unit, such as 30s or 2m",
	"float64":     "a number",
	"int":         "a whole number",
	"stringSlice": "names, with commas between them",
	"uint64":      "a whole number, 0 or more",
}

// inWords says of a flag's value what it should be, not how it was parsed. A flag of a type of ours says that itself.
func inWords(err error) error {
	invalid := new(pflag.InvalidValueError)
	if !errors.As(err, &invalid) {
		return err
	}
	name, value := invalid.GetFlag().Name, invalid.GetValue()
	kind, ok := kindsOfFlags[invalid.GetFlag().Value.Type()]
	switch {
	case !ok:
		return fmt.Errorf("--%s %q: %w", name, value, invalid.Unwrap())
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("--%s %q: that is more than a number can be here", name, value)
	}
	return fmt.Errorf("--%s %q: give %s", name, value, kind)
}

func unknown(cmd *cobra.Command, name string) error {
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return usage("unknown command %q; did you mean %q?", name, near[0])
	}
	return usage("unknown command %q; see '%s --help'", name, cmd.CommandPath())
}

// noArgs refuses arguments with one clear line.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no argument, and %q is one; see '%s --help'", cmd.Name(), args[0], cmd.CommandPath())
	}
	return nil
}

// noEmptyFlags refuses a flag that is given with nothing, as "--name $LAB" is where LAB is not set: to take it for one that was left out
// would end the only lab there is.
func noEmptyFlags(cmd *cobra.Command, _ []string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.Type() == "string" && f.Value.String() == "" {
			err = usage("--%s is given, and empty: give a value, or leave it out; see '%s --help'", f.Name, cmd.CommandPath())
		}
	})
	return err
}

// insideCommand holds the verbs as they run inside a realm.
func insideCommand(s streams) *cobra.Command {
	root := &cobra.Command{Use: realm.Arg, SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(demoInside(s), compareInside(s), benchInside(s), rolloutInside(s), doctorInside(s), keepInside(), serveInside(s))
	return root
}

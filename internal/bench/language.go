package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"

	"enilab/internal/compare"
	"enilab/internal/demo"
	"enilab/internal/lambda"
	"enilab/sandbox"
)

// languages are those of the example functions, which do the same in each.
var languages = []struct {
	name    string
	code    string // key in the store
	handler string
	needs   string // the interpreter; empty: none
}{
	{"go", "go.zip", "bootstrap", ""},
	{"nodejs", "nodejs.zip", "index.handler", "node"},
	{"python", "python.zip", "function.handler", "python3"},
	{"bash", "bash.zip", "function.handler", "bash"},
	{"java", "java.zip", "Function.handler", "java"},
}

// languageMemory is the same for all: what the greediest is comfortable with, in MB.
const languageMemory = 512

// language measures where the time of a cold start goes by language, in shared mode: to the network, or to the runtime
// until it asks for its first event. The languages take turns.
func (r *run) language(ctx context.Context) (err error) {
	b, err := r.bed(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	trials := map[string]compare.Trial{}
	for _, l := range languages {
		reason, err := r.missing(l.code, l.needs)
		if err != nil {
			return err
		}
		if reason != "" {
			r.skip(l.name, reason)
			continue
		}
		in := demo.Target(b.Lab, l.code, l.handler).Create
		in.FunctionName, in.Mode, in.MemorySize = "bench-"+l.name, lambda.Shared, languageMemory
		if trials[l.name], err = b.trialOf(ctx, in); err != nil {
			return err
		}
	}
	n := r.or(20, 2)
	for i := range n {
		for _, l := range languages {
			t, ok := trials[l.name]
			if !ok {
				continue
			}
			if err := t.Prepare(ctx, 1); err != nil {
				return err
			}
			out, err := t.Cold(ctx)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			total := r.figure("total", l.name, 0, microseconds)
			if err != nil {
				total.failed(err)
			} else {
				took := out.Timeline.Took
				total.took(out.Timeline.Total)
				r.figure("network", l.name, 0, microseconds).took(took(sandbox.PhasePlace) + took(sandbox.PhaseAttach))
				r.figure("runtime", l.name, 0, microseconds).took(took(sandbox.PhaseSpawn) + took(sandbox.PhaseInit))
			}
			if err := t.End(ctx); err != nil {
				return err
			}
		}
		r.progress(i+1, n)
	}
	return nil
}

// missing says why a language cannot be measured here; empty if it can.
func (r *run) missing(code, interpreter string) (reason string, err error) {
	if interpreter != "" {
		if _, err := exec.LookPath(interpreter); err != nil {
			return interpreter + " is not installed", nil
		}
	}
	f, err := sandbox.Store{Dir: r.Store}.Open(code)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("there is no %s in %s; 'make functions' puts it there", code, r.Store), nil
	}
	if err != nil {
		return "", err
	}
	return "", f.Close()
}

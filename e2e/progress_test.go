package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// progress measures how far a run has come by what happens: every process that appears or goes is one step. It looks as
// often as it can, and misses what is shorter than that.
type progress struct {
	outer int
	known map[int]bool
	steps int
}

func (r *run) progress() *progress { return &progress{outer: r.Process.Pid, known: map[int]bool{}} }

func (p *progress) look() int {
	now := map[int]bool{}
	for _, pid := range descendants(p.outer) {
		now[pid] = true
		if !p.known[pid] {
			p.steps++
		}
	}
	for pid := range p.known {
		if !now[pid] {
			p.steps++
		}
	}
	p.known = maps.Clone(now)
	return p.steps
}

// steps counts those of a whole run, for tests that spread moments over it.
func (who identity) steps(t *testing.T, args []string) int {
	t.Helper()
	r := who.command(args...).start(t)
	p := r.progress()
	r.until(t, "it has ended", func() bool { p.look(); return false })
	r.result(t).want(t, 0)
	if p.steps < 20 {
		t.Fatalf("%v: only %d steps seen", args, p.steps)
	}
	return p.steps
}

// at waits for a moment: a share of the way, and a little by chance. It tells whether the run still ran.
func (r *run) at(t *testing.T, step int, by *rand.Rand) bool {
	t.Helper()
	p := r.progress()
	if !r.until(t, fmt.Sprintf("step %d", step), func() bool { return p.look() >= step }) {
		return false
	}
	little := time.NewTimer(time.Duration(by.IntN(4000)) * time.Microsecond)
	defer little.Stop()
	select {
	case <-r.done:
		return false
	case <-little.C:
		return true
	}
}

// inner finds the first process of the run's realm; zero if there is none.
func (r *run) inner() int {
	for _, pid := range descendants(r.Process.Pid) {
		argv, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(argv), "\x00__lab\x00") {
			return pid
		}
	}
	return 0
}

// stepsOf remembers the steps of each command as each identity.
var stepsOf = struct {
	mu    sync.Mutex
	steps map[string]int
}{steps: map[string]int{}}

func knownSteps(t *testing.T, who identity, args []string) int {
	t.Helper()
	stepsOf.mu.Lock()
	defer stepsOf.mu.Unlock()
	key := who.name + " " + strings.Join(args, " ")
	if stepsOf.steps[key] == 0 {
		stepsOf.steps[key] = who.steps(t, args)
	}
	return stepsOf.steps[key]
}

package e2e_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"

	"enilab/internal/nstest"
)

// Interrupted at any moment, it cleans up, says so and exits 130.
func TestInterruptedAtAnyMoment(t *testing.T) {
	ways := []struct {
		name  string
		group bool // as a terminal does it
		inner bool // the first process inside alone
		then  []syscall.Signal
	}{
		{"Ctrl-C", true, false, []syscall.Signal{syscall.SIGINT}},
		{"SIGINT", false, false, []syscall.Signal{syscall.SIGINT}},
		{"SIGTERM", false, false, []syscall.Signal{syscall.SIGTERM}},
		{"Ctrl-C twice", true, false, []syscall.Signal{syscall.SIGINT, syscall.SIGINT}},
		{"SIGHUP", true, false, []syscall.Signal{syscall.SIGHUP}},
		{"SIGTERM to the inside", false, true, []syscall.Signal{syscall.SIGTERM}},
		{"impatient Ctrl-C", true, false, []syscall.Signal{syscall.SIGINT, syscall.SIGINT, syscall.SIGINT, syscall.SIGTERM}},
	}
	asEach(t, func(t *testing.T, who identity) {
		missed, runs := 0, 0
		for i := range nstest.Times(1, 2) * len(ways) { // each way once, or as everybody
			if !who.takes(i/len(ways) + i) {
				continue
			}
			way, args := ways[i%len(ways)], [][]string{small, quick}[i%2]
			steps := knownSteps(t, who, args)
			runs++
			t.Run(args[0]+", "+way.name, func(t *testing.T) {
				keepsMachine(t, who)
				by := rand.New(rand.NewPCG(2, uint64(i)))
				r := who.command(args...).start(t)
				if !r.at(t, 1+by.IntN(steps*3/4), by) {
					missed++
					return
				}
				for n, s := range way.then {
					if n > 0 {
						r.at(t, by.IntN(2), by) // while it cleans up
					}
					if way.inner {
						r.until(t, "it has an inside", func() bool { return r.inner() != 0 })
						_ = syscall.Kill(r.inner(), s)
						continue
					}
					r.signal(t, way.group, s)
				}
				res := r.result(t)
				if res.code == 0 {
					missed++ // it was over
					return
				}
				res.want(t, 130)
				if strings.Count(res.stderr, "enilab: interrupted\n") != 1 || strings.Count(res.stderr, "\n") != 1 {
					t.Errorf("it does not say once that it was interrupted, and that alone; %v", res)
				}
			})
		}
		if missed > runs/2 {
			t.Errorf("%d of %d runs were over before they were interrupted", missed, runs)
		}
	})
}

// Who ignores hangups, as nohup has it, is not interrupted by one.
func TestHangupIgnored(t *testing.T) {
	keepsMachine(t)
	r := identities(t)[0].sh("trap '' HUP; exec enilab " + strings.Join(quick, " ")).start(t)
	r.until(t, "it has servers", func() bool { inner := r.inner(); return inner != 0 && len(descendants(inner)) > 1 })
	r.signal(t, true, syscall.SIGHUP)
	parseReport(t, r.result(t).want(t, 0))
}

// A reader that goes away ends the run, quietly.
func TestReaderGoesAway(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		for _, lines := range []int{0, 1, 12} {
			t.Run(fmt.Sprintf("after %d lines", lines), func(t *testing.T) {
				keepsMachine(t, who)
				reader, writer, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				r := who.command(small...)
				r.Stdout = writer
				r.start(t)
				writer.Close()
				b := bufio.NewReader(reader)
				for range lines {
					if _, err := b.ReadString('\n'); err != nil {
						t.Error(err)
					}
				}
				reader.Close()
				res := r.result(t)
				if res.code == 0 || res.code == 2 || res.stderr != "" {
					t.Errorf("want an end that is neither success nor bad usage, and nothing said; %v", res)
				}
			})
		}
	})
}

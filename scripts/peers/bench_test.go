package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"
)

// TestRounds: whoever cannot work is skipped with the reason, who fails once is counted, and nobody stops the others.
func TestRounds(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NS(t) // skips without rights: a turn drains the kernel's queue
	a, b := key{start, "a"}, key{start, "b"}
	calls := map[string]int{}
	var order []string
	working := func(k key, fails int) peer {
		return peer{
			name: k.name, lines: []line{{k, ""}},
			version: func(context.Context) (string, error) { return k.name + " 1", nil },
			once: func(context.Context, *customer) ([]sample, error) {
				order = append(order, k.name)
				if calls[k.name]++; calls[k.name] == fails {
					return nil, errors.New("out of luck")
				}
				return []sample{{k, time.Millisecond}}, nil
			},
		}
	}
	absent := working(key{start, "absent"}, 0)
	absent.version = func(context.Context) (string, error) { return "", errors.New("not installed") }
	var said bytes.Buffer
	r, err := bench{runs: 3, said: &said, quiet: true}.measure(t.Context(), nil, []peer{working(a, 0), working(b, 3), absent, working(key{start, "broken"}, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if ra, rb := r.row(a), r.row(b); ra.N != 3 || ra.Failures != 0 || rb.N != 2 || rb.Failures != 1 {
		t.Errorf("a %+v, b %+v", ra, rb)
	}
	if got := strings.Join(order, " "); got != "a b broken a b b a a b" {
		t.Errorf("order: %s", got)
	}
	if len(r.Skipped) != 2 || r.Skipped[0] != (skipped{"absent", "not installed"}) || r.Skipped[1] != (skipped{"broken", "out of luck"}) {
		t.Errorf("skipped: %+v", r.Skipped)
	}
	if !strings.Contains(said.String(), "round 2: b: out of luck") {
		t.Errorf("said: %q", said.String())
	}
}

func TestOnly(t *testing.T) {
	peers := all(setting{})
	chosen, err := choose(peers, "podman,ip-batch")
	if err != nil || len(chosen) != 3 || chosen[0].name != enilabName || chosen[1].name != "ip-batch" || chosen[2].name != "podman" {
		t.Errorf("%v, %v", chosen, err)
	}
	if _, err := choose(peers, "docker"); err == nil || !strings.Contains(err.Error(), "crun-pooled") {
		t.Errorf("an unknown name: %v", err)
	}
}

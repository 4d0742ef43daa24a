package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPercentilesAreSamples(t *testing.T) {
	var took []time.Duration
	for n := range 30 {
		took = append(took, time.Duration(n+1)*time.Microsecond)
	}
	for percent, want := range map[int]float64{50: 15, 90: 27, 99: 30, 100: 30} {
		if got := at(took, percent); got != want {
			t.Errorf("p%d of 1…30 is %v, want %v", percent, got, want)
		}
	}
	if got := at(took[:1], 50); got != 1 {
		t.Errorf("p50 of one is %v", got)
	}
	if got := at(nil, 50); got != 0 {
		t.Errorf("p50 of none is %v", got)
	}
}

// benched is a report of enilab, a peer half as fast that failed once, one twice as fast, and one that is not there.
func benched() report {
	r := newReport(2)
	ours := peer{name: enilabName, lines: []line{{key{start, reference}, "all"}}}
	slow := peer{name: rival, lines: []line{{key{start, rival}, "less"}, {key{detach, rival}, "back"}}}
	fast := peer{name: "exec", lines: []line{{key{start, "exec"}, "nothing"}}}
	r.add(ours, "enilab 1")
	r.add(slow, "crun 1")
	r.add(fast, "")
	r.skip(peer{name: "podman"}, errors.New("not\n here"))
	for range 2 {
		r.count(ours, []sample{{key{start, reference}, 4 * time.Millisecond}}, nil)
		r.count(fast, []sample{{key{start, "exec"}, 2 * time.Millisecond}}, nil)
		r.count(slow, []sample{{key{start, rival}, 8 * time.Millisecond}}, errors.New("cannot be\nsevered"))
	}
	return r
}

func TestRowsAreComparedWithTheirOwnKind(t *testing.T) {
	r := benched()
	for k, want := range map[key]string{
		{start, reference}: "1",
		{start, rival}:     "2.00 × (enilab ahead)",
		{start, "exec"}:    "0.500 × (enilab behind)",
		{detach, rival}:    "–",
	} {
		if got := r.row(k).verdict(); got != want {
			t.Errorf("%v: %q, want %q", k, got, want)
		}
	}
}

func TestNothingIsHidden(t *testing.T) {
	r := benched()
	if row := r.row(key{detach, rival}); row.N != 0 || row.Failures != 2 || len(row.Errors) != 1 {
		t.Errorf("two failures of one kind are %+v", row)
	}
	for name, write := range formats {
		var out bytes.Buffer
		if err := write(&out, r); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"cannot be severed", "not here", "podman", "crun 1"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, out.String())
			}
		}
		if name == "json" && !json.Valid(out.Bytes()) {
			t.Errorf("not JSON: %s", out.String())
		}
	}
	const want = "Target: a cold start of enilab shared takes 4.00 ms, met: ≤ 4.5 ms; that is 0.50 of crun run without a network (8.00 ms), met: ≤ 1.0."
	if got := r.target(); got != want {
		t.Errorf("target:\n%s\nwant:\n%s", got, want)
	}
}

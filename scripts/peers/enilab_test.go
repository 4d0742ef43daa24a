package main

import (
	"testing"
	"time"
)

func TestReadComparison(t *testing.T) {
	const text = `{"schema": "enilab.compare/v1", "variants": [
		{"name": "shared", "ready": {"n": 1, "p50_us": 4000.5}, "phases": [{"name": "attach", "n": 1, "p50_us": 50}, {"name": "attach/slot-to-eni", "n": 1, "p50_us": 25}]},
		{"name": "legacy", "failures": 1, "ready": {"n": 0, "p50_us": 0}, "phases": []}]}`
	got, err := read([]byte(text))
	want := []sample{{key{start, reference}, 4000500 * time.Nanosecond}, {key{attach, reference}, 50 * time.Microsecond}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for _, damaged := range []string{"", "{}", `{"schema": "enilab.compare/v2"}`} {
		if got, err := read([]byte(damaged)); err == nil {
			t.Errorf("%q was read as %v", damaged, got)
		}
	}
}

package bench_test

import (
	"slices"
	"testing"

	"enilab/internal/bench"
	"enilab/internal/nstest"
)

// A quick run of the datapath has every figure for every variant, and each of them carries bytes.
func TestDatapath(t *testing.T) {
	nstest.NoLeaks(t)
	r, err := bench.Run(t.Context(), options(t, "datapath"))
	must(t, err)
	units := map[string]string{
		"stream": "Mbit/s", "stream-reverse": "Mbit/s", "streams": "Mbit/s", "streams-reverse": "Mbit/s", "new-connections": "1/s", "round-trip": "us",
	}
	samples := map[string]int{"round-trip": 200}
	for name, unit := range units {
		for _, variant := range []string{"routed-veth", "legacy", "shared"} {
			f, ok := find(r, "datapath", name, variant, 0)
			if !ok || f.Unit != unit || f.N != max(1, samples[name]) || f.Failures != 0 || slices.Min(f.Values) <= 0 {
				t.Errorf("%s of %s: %+v (%t)", name, variant, f, ok)
			}
		}
	}
	if n := len(r.Figures); n != len(units)*3 {
		t.Errorf("%d figures, want %d", n, len(units)*3)
	}
}

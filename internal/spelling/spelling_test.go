package spelling_test

import (
	"strings"
	"testing"

	"enilab/internal/spelling"
)

func TestNearest(t *testing.T) {
	known := []string{"idle", "rest", "burst", "growth-slots", "growth-enis"}
	for word, want := range map[string]string{
		"idel": "idle", "brust": "burst", "burts": "burst", "Rest": "rest", "rests": "rest", "growthenis": "growth-enis", "growth-slot": "growth-slots",
		"": "", "x": "", "xyzzy": "", "b": "", "growth": "", strings.Repeat("rest", 1000): "",
	} {
		if got := spelling.Nearest(word, known); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}

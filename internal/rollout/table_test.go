package rollout

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWriteTable(t *testing.T) {
	var b strings.Builder
	must(t, WriteTable(&b, example()))
	golden(t, "table.txt", b.String())
}

func TestWriteCSV(t *testing.T) {
	r := example()
	r.Invocations = r.Invocations[38:46]
	r.Invocations[1] = Invocation{At: 1_975_000, Took: 12, Late: 3, Function: 3, Fresh: true, Failure: `the subnet, "full"`}
	var b strings.Builder
	must(t, WriteCSV(&b, r))
	golden(t, "invocations.csv", b.String())
}

// What went wrong is said, the most frequent first, and it makes an error.
func TestNotesAndErr(t *testing.T) {
	r := example()
	r.Steps[1].Waiting, r.Steps[2].Failure = 20, "" // a second's
	if notes := r.Notes(); len(notes) > 0 || r.Err() != nil {
		t.Errorf("all is well, and yet: %q, %v", notes, r.Err())
	}
	r.Behind = 50_000
	if notes := r.Notes(); len(notes) > 0 {
		t.Errorf("late, but not by much: %q", notes)
	}
	r.Behind = 320_000
	r.Steps[1].Waiting = 21
	r.Steps[2].Failure = "no address left"
	if err := r.Err(); err == nil || err.Error() != "step 100 %: no address left" {
		t.Errorf("a step that failed: %v", err)
	}
	for i := range 12 {
		r.Invocations[i].Failure = []string{"often", "often", "a", "b", "c", "d", "e"}[i%7]
	}
	all := strings.Join(r.Notes(), "\n")
	for _, want := range []string{
		"Failed 4 times: often\nFailed 2 times: a\n", "And 1 more kind of failures.", "fell behind its schedule by up to 320 ms",
		"end of step 50 %, 21 requests had no answer", "Step 100 %: only 3 functions could be changed: no address left",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the notes do not say %q:\n%s", want, all)
		}
	}
	if err := r.Err(); err == nil || err.Error() != "12 of 120 invocations failed" {
		t.Errorf("%v", err)
	}
}
